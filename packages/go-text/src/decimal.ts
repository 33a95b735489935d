/** Exact decimal arithmetic on floats, as sprig's `addf` and its kin do it: 0.1 and 0.2 are 0.3. A quotient has 16 places. */

/** `digits` × 10^`exponent`. */
export interface Decimal {
  readonly digits: bigint;
  readonly exponent: number;
}

const QUOTIENT_PLACES = 16;

/** The shortest decimal that reads back as the number; undefined for NaN and the infinities. */
export function decimalOf(value: number): Decimal | undefined {
  const match = /^(-?\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value));
  if (match === null) return undefined;
  const [, whole, places = "", exponent = "0"] = match;
  return { digits: BigInt(whole! + places), exponent: Number(exponent) - places.length };
}

export function floatOf({ digits, exponent }: Decimal): number {
  return Number(`${digits}e${exponent}`);
}

export function addDecimals(a: Decimal, b: Decimal): Decimal {
  const exponent = Math.min(a.exponent, b.exponent);
  return { digits: digitsAt(a, exponent) + digitsAt(b, exponent), exponent };
}

export function multiplyDecimals(a: Decimal, b: Decimal): Decimal {
  return { digits: a.digits * b.digits, exponent: a.exponent + b.exponent };
}

/** Rounded half away from zero. The divisor is not zero. */
export function divideDecimals(a: Decimal, b: Decimal): Decimal {
  const shift = a.exponent - b.exponent + QUOTIENT_PLACES;
  const dividend = shift > 0 ? a.digits * 10n ** BigInt(shift) : a.digits;
  const divisor = shift < 0 ? b.digits * 10n ** BigInt(-shift) : b.digits;
  const quotient = dividend / divisor;
  const rest = dividend % divisor;
  const away = magnitude(rest) * 2n >= magnitude(divisor);
  const sign = dividend < 0n === divisor < 0n ? 1n : -1n;
  return { digits: away ? quotient + sign : quotient, exponent: -QUOTIENT_PLACES };
}

function digitsAt({ digits, exponent }: Decimal, lower: number): bigint {
  return digits * 10n ** BigInt(exponent - lower);
}

function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value;
}
