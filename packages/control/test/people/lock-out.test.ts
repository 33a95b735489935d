import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LockOut, networkOf } from "../../src/people/lock-out.ts";
import { manualClock, START_MS } from "../control-directory.ts";
import { code } from "./people-harness.ts";

const LIMITS = { accountFailuresMax: 3, addressFailuresMax: 5, windowMs: 60_000, keysMax: 4 };
const LOCKED = code("control/locked-out");

function open() {
  const clock = manualClock(START_MS);
  return { clock, lockOut: new LockOut(clock, LIMITS) };
}

describe("too many failures", () => {
  test("of one account lock it from everywhere, until the time is over", () => {
    const { clock, lockOut } = open();
    for (const address of ["192.0.2.1", "192.0.2.2", "192.0.2.3"]) lockOut.begin("ada", address);
    assert.throws(() => lockOut.begin("ada", "192.0.2.4"), LOCKED);
    lockOut.begin("bob", "192.0.2.4");
    clock.advance(LIMITS.windowMs - 1);
    assert.throws(() => lockOut.begin("ada", "192.0.2.4"), LOCKED);
    clock.advance(1);
    lockOut.begin("ada", "192.0.2.4");
  });

  test("from one address lock it for all accounts", () => {
    const { lockOut } = open();
    for (const account of ["a", "b", "c", "d", "e"]) lockOut.begin(account, "192.0.2.1");
    assert.throws(() => lockOut.begin("f", "192.0.2.1"), LOCKED);
    lockOut.begin("f", "192.0.2.2");
  });

  test("from one network of IPv6 lock the whole of it", () => {
    const { lockOut } = open();
    for (let host = 1; host <= 5; host++) lockOut.begin(`user${host}`, `2001:db8:0:1::${host}`);
    assert.throws(() => lockOut.begin("f", "2001:db8:0:1:ffff::1"), LOCKED);
    lockOut.begin("f", "2001:db8:0:2::1");
  });

  test("are counted while they are tried: many at once are no way around", () => {
    const { lockOut } = open();
    const tries = Array.from({ length: 20 }, (_, at) => {
      try {
        lockOut.begin("ada", `192.0.2.${at}`);
        return true;
      } catch {
        return false;
      }
    });
    assert.equal(tries.filter(Boolean).length, LIMITS.accountFailuresMax);
  });

  test("are forgotten after a success, and the try that succeeded is none", () => {
    const { lockOut } = open();
    for (let round = 0; round < 10; round++) {
      lockOut.begin("ada", "192.0.2.1").succeed();
    }
    lockOut.begin("ada", "192.0.2.1");
    lockOut.begin("ada", "192.0.2.2");
    const third = lockOut.begin("ada", "192.0.2.3");
    assert.equal(third.locks, true);
    third.succeed();
    assert.equal(lockOut.begin("ada", "192.0.2.4").locks, false);
  });

  test("do not push out the locks of others where there is room for no more", () => {
    const { lockOut } = open();
    for (let failure = 0; failure < 3; failure++) lockOut.begin("ada", `192.0.2.${failure}`);
    for (let account = 0; account < 20; account++)
      lockOut.begin(`x${account}`, `198.51.100.${account}`);
    assert.throws(() => lockOut.begin("ada", "203.0.113.1"), LOCKED);
  });

  test("are taken back by an administrator", () => {
    const { lockOut } = open();
    for (let failure = 0; failure < 3; failure++) lockOut.begin("ada", `192.0.2.${failure}`);
    lockOut.unlock("ada");
    lockOut.begin("ada", "203.0.113.1");
  });
});

test("addresses are told by their network", () => {
  for (const [address, network] of [
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:db8::6", "2001:db8:0:0"],
    ["::1", "0:0:0:0"],
    ["fe80::1%eth0", "fe80:0:0:0"],
    ["", ""],
  ] as const)
    assert.equal(networkOf(address), network, address);
});
