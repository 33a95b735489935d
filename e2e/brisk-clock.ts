/**
 * Loaded before Finch with `--import`: whatever waits for a while waits a hundredth of it. What happens every quarter of a minute, such as the maintenance of
 * a store with its merging of blocks, happens several times a second, so that a test can fall into it.
 */
import { systemClock } from "@finch/runtime";

const FACTOR = 100;
const sleep = systemClock.sleep.bind(systemClock);

systemClock.sleep = (ms, signal) => sleep(ms / FACTOR, signal);
