/** Sprig's functions of numbers. They take texts for numbers, and what is none for 0. */
import { addDecimals, decimalOf, divideDecimals, floatOf, multiplyDecimals } from "./decimal.ts";
import type { Decimal } from "./decimal.ts";
import { checkCount, counted } from "./template-arguments.ts";
import type { FunctionTable, TemplateFunction } from "./template-arguments.ts";
import { TemplateRunFault, toFloat, toInteger } from "./template-value.ts";
import type { TemplateValue } from "./template-value.ts";
import { formatGoFloat } from "@finch/model";

type IntegerStep = (total: bigint, value: bigint) => bigint;

function foldIntegers(step: IntegerStep): TemplateFunction {
  return (args) => {
    checkCount(args, 1, Infinity);
    return BigInt.asIntN(64, args.map(toInteger).reduce(step));
  };
}

function ofTwoIntegers(step: IntegerStep): TemplateFunction {
  return (args) => {
    checkCount(args, 2);
    return BigInt.asIntN(64, step(toInteger(args[0]), toInteger(args[1])));
  };
}

function foldFloats(step: (total: number, value: number) => number): TemplateFunction {
  return (args) => {
    checkCount(args, 1, Infinity);
    return args.map(toFloat).reduce(step);
  };
}

/** The first argument, and one after the other of the rest. */
function foldDecimals(
  step: (total: Decimal, value: Decimal) => Decimal,
  argumentsMin = 1,
): TemplateFunction {
  return (args) => {
    checkCount(args, argumentsMin, Infinity);
    if (args.length === 0) return 0;
    return floatOf(args.map(toDecimal).reduce(step));
  };
}

function toDecimal(value: TemplateValue): Decimal {
  const decimal = decimalOf(toFloat(value));
  if (decimal !== undefined) return decimal;
  throw new TemplateRunFault(`Cannot create a Decimal from ${formatGoFloat(toFloat(value))}`);
}

function decimalDivisor(value: Decimal): Decimal {
  if (value.digits === 0n) throw new TemplateRunFault("decimal division by 0");
  return value;
}

function divisor(value: bigint): bigint {
  if (value === 0n) throw new TemplateRunFault("runtime error: integer divide by zero");
  return value;
}

export const NUMBER_FUNCTIONS: FunctionTable = {
  int: counted(1, ([value]) => toInteger(value)),
  float64: counted(1, ([value]) => toFloat(value)),
  add: (args) =>
    BigInt.asIntN(
      64,
      args.map(toInteger).reduce((total, value) => total + value, 0n),
    ),
  sub: ofTwoIntegers((left, right) => left - right),
  mul: foldIntegers((total, value) => total * value),
  div: ofTwoIntegers((left, right) => left / divisor(right)),
  mod: ofTwoIntegers((left, right) => left % divisor(right)),
  max: foldIntegers((total, value) => (value > total ? value : total)),
  min: foldIntegers((total, value) => (value < total ? value : total)),
  addf: foldDecimals(addDecimals, 0),
  subf: foldDecimals((total, { digits, exponent }) =>
    addDecimals(total, { digits: -digits, exponent }),
  ),
  mulf: foldDecimals(multiplyDecimals),
  divf: foldDecimals((total, value) => divideDecimals(total, decimalDivisor(value))),
  maxf: foldFloats((total, value) => Math.max(total, value)),
  minf: foldFloats((total, value) => Math.min(total, value)),
  ceil: counted(1, ([value]) => Math.ceil(toFloat(value))),
  floor: counted(1, ([value]) => Math.floor(toFloat(value))),
  round: (args) => {
    checkCount(args, 2, 3);
    const [value, places, half] = args;
    const scale = 10 ** Number(toInteger(places));
    const scaled = toFloat(value) * scale;
    const threshold = half === undefined ? 0.5 : toFloat(half);
    const fraction = scaled - Math.trunc(scaled);
    return (fraction >= threshold ? Math.ceil(scaled) : Math.floor(scaled)) / scale;
  },
};
