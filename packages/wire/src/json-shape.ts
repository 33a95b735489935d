/** A look over JSON text before it becomes objects: how deep it nests and how many arrays and objects it opens. */
import { badBody, tooLarge } from "./errors.ts";

/** Throws a FinchError when `bytes` nests deeper or opens more brackets than allowed. Says nothing about its syntax otherwise. */
export function checkJsonShape(
  bytes: Uint8Array,
  limits: { readonly jsonDepthMax: number; readonly jsonContainersMax: number },
): void {
  let depth = 0;
  let containers = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === 0x22) {
      i = stringEnd(bytes, i + 1);
    } else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > limits.jsonDepthMax) {
        throw badBody(`the JSON body nests deeper than ${limits.jsonDepthMax} at byte ${i}`);
      }
      if (++containers > limits.jsonContainersMax) {
        throw tooLarge(
          `the JSON body has more than ${limits.jsonContainersMax} arrays and objects: send smaller batches`,
        );
      }
    } else if (byte === 0x5d || byte === 0x7d) {
      depth--;
    }
  }
}

/** The place of the closing quote, or the end. */
function stringEnd(bytes: Uint8Array, start: number): number {
  let i = start;
  while (i < bytes.length && bytes[i] !== 0x22) i += bytes[i] === 0x5c ? 2 : 1;
  return i;
}
