/** Functions of one number. */
const MATH: Readonly<Record<string, (x: number) => number>> = {
  abs: Math.abs,
  acos: Math.acos,
  acosh: Math.acosh,
  asin: Math.asin,
  asinh: Math.asinh,
  atan: Math.atan,
  atanh: Math.atanh,
  ceil: Math.ceil,
  cos: Math.cos,
  cosh: Math.cosh,
  deg: (x) => (x * 180) / Math.PI,
  exp: Math.exp,
  floor: Math.floor,
  ln: Math.log,
  log10: Math.log10,
  log2: Math.log2,
  rad: (x) => (x * Math.PI) / 180,
  sgn: (x) => (x < 0 ? -1 : x > 0 ? 1 : x),
  sin: Math.sin,
  sinh: Math.sinh,
  sqrt: Math.sqrt,
  tan: Math.tan,
  tanh: Math.tanh,
};

/** The function of that name, if it is one from a number to a number. */
export function mathFunction(name: string): ((x: number) => number) | undefined {
  return Object.hasOwn(MATH, name) ? MATH[name] : undefined;
}

/** Rounds to a multiple of `to`, ties upwards. Multiplying by the inverse errs less than dividing. */
export function roundTo(x: number, to: number): number {
  const inverse = 1 / to;
  return Math.floor(x * inverse + 0.5) / inverse;
}
