/** Sprig's functions of numbers. They take texts for numbers, and what is none for 0. */
import { checkCount } from "./template-arguments.ts";
import type { FunctionTable, TemplateFunction } from "./template-arguments.ts";
import { TemplateRunFault, toFloat, toInteger } from "./template-value.ts";

function foldIntegers(step: (total: bigint, value: bigint) => bigint): TemplateFunction {
  return (args) => {
    checkCount(args, 1, Infinity);
    return BigInt.asIntN(64, args.map(toInteger).reduce(step));
  };
}

function foldFloats(step: (total: number, value: number) => number): TemplateFunction {
  return (args) => {
    checkCount(args, 1, Infinity);
    return args.map(toFloat).reduce(step);
  };
}

function divisor(value: bigint): bigint {
  if (value === 0n) throw new TemplateRunFault("runtime error: integer divide by zero");
  return value;
}

export const NUMBER_FUNCTIONS: FunctionTable = {
  int: ([value]) => toInteger(value),
  float64: ([value]) => toFloat(value),
  add: foldIntegers((total, value) => total + value),
  sub: foldIntegers((total, value) => total - value),
  mul: foldIntegers((total, value) => total * value),
  div: foldIntegers((total, value) => total / divisor(value)),
  mod: foldIntegers((total, value) => total % divisor(value)),
  max: foldIntegers((total, value) => (value > total ? value : total)),
  min: foldIntegers((total, value) => (value < total ? value : total)),
  addf: foldFloats((total, value) => total + value),
  subf: foldFloats((total, value) => total - value),
  mulf: foldFloats((total, value) => total * value),
  divf: foldFloats((total, value) => total / value),
  maxf: foldFloats((total, value) => Math.max(total, value)),
  minf: foldFloats((total, value) => Math.min(total, value)),
  ceil: ([value]) => Math.ceil(toFloat(value)),
  floor: ([value]) => Math.floor(toFloat(value)),
  round: ([value, places, half]) => {
    const scale = 10 ** Number(toInteger(places));
    const scaled = toFloat(value) * scale;
    const threshold = half === undefined ? 0.5 : toFloat(half);
    const fraction = scaled - Math.trunc(scaled);
    return (fraction >= threshold ? Math.ceil(scaled) : Math.floor(scaled)) / scale;
  },
};
