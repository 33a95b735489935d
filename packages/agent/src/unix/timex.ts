/**
 * How well the clock is kept: what adjtimex(2) tells, with nothing to adjust. Node has no call for it, so it is made through `node:ffi`.
 */
import { noData, stateless, type Collector } from "./collector.ts";
import { counter, gauge } from "./family.ts";

const MICROSECONDS = 1e6;
const NANOSECONDS = 1e9;
/** Frequencies are in parts per million with 16 bits after the point. */
const FREQUENCY_UNIT = 1e6 * 65_536;
/** What the call answers when the clock follows no reliable server. */
const TIME_ERROR = 5;
/** Bit of the status: offsets and jitter are in nanoseconds. */
const STA_NANO = 0x2000;

/** Where members of `struct timex` stand on 64-bit Linux; all but those of {@link INTS} are longs. */
const OFFSETS = {
  offset: 8,
  freq: 16,
  maxerror: 24,
  esterror: 32,
  status: 40,
  constant: 48,
  tick: 88,
  ppsfreq: 96,
  jitter: 104,
  shift: 112,
  stabil: 120,
  jitcnt: 128,
  calcnt: 136,
  errcnt: 144,
  stbcnt: 152,
  tai: 160,
} as const;
type Member = keyof typeof OFFSETS;
const INTS: ReadonlySet<Member> = new Set<Member>(["status", "shift", "tai"]);

/** `clock`: offsets and jitter, whose unit the status tells. */
const FIGURES: readonly {
  readonly member: Member;
  readonly name: string;
  readonly help: string;
  readonly unit: number | "clock";
}[] = [
  {
    member: "offset",
    name: "offset_seconds",
    help: "Time offset in between local system and reference clock.",
    unit: "clock",
  },
  {
    member: "maxerror",
    name: "maxerror_seconds",
    help: "Maximum error in seconds.",
    unit: MICROSECONDS,
  },
  {
    member: "esterror",
    name: "estimated_error_seconds",
    help: "Estimated error in seconds.",
    unit: MICROSECONDS,
  },
  { member: "status", name: "status", help: "Value of the status array bits.", unit: 1 },
  {
    member: "constant",
    name: "loop_time_constant",
    help: "Phase-locked loop time constant.",
    unit: 1,
  },
  {
    member: "tick",
    name: "tick_seconds",
    help: "Seconds between clock ticks.",
    unit: MICROSECONDS,
  },
  {
    member: "ppsfreq",
    name: "pps_frequency_hertz",
    help: "Pulse per second frequency.",
    unit: FREQUENCY_UNIT,
  },
  { member: "jitter", name: "pps_jitter_seconds", help: "Pulse per second jitter.", unit: "clock" },
  {
    member: "shift",
    name: "pps_shift_seconds",
    help: "Pulse per second interval duration.",
    unit: 1,
  },
  {
    member: "stabil",
    name: "pps_stability_hertz",
    help: "Pulse per second stability, average of recent frequency changes.",
    unit: FREQUENCY_UNIT,
  },
  {
    member: "jitcnt",
    name: "pps_jitter_total",
    help: "Pulse per second count of jitter limit exceeded events.",
    unit: 1,
  },
  {
    member: "calcnt",
    name: "pps_calibration_total",
    help: "Pulse per second count of calibration intervals.",
    unit: 1,
  },
  {
    member: "errcnt",
    name: "pps_error_total",
    help: "Pulse per second count of calibration errors.",
    unit: 1,
  },
  {
    member: "stbcnt",
    name: "pps_stability_exceeded_total",
    help: "Pulse per second count of stability limit exceeded events.",
    unit: 1,
  },
  {
    member: "tai",
    name: "tai_offset_seconds",
    help: "International Atomic Time (TAI) offset.",
    unit: 1,
  },
];

export const timex: Collector = stateless((machine) => {
  const answer = machine.adjtimex();
  if (answer === undefined)
    throw noData(
      "adjtimex(2) cannot be called; it needs 64-bit Linux and a Node that has node:ffi",
    );
  const { state, timex: bytes } = answer;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const of = (member: Member) =>
    INTS.has(member)
      ? view.getInt32(OFFSETS[member], true)
      : Number(view.getBigInt64(OFFSETS[member], true));
  const clockUnit = (of("status") & STA_NANO) === 0 ? MICROSECONDS : NANOSECONDS;
  return [
    gauge(
      "node_timex_sync_status",
      "Is clock synchronized to a reliable server (1 = yes, 0 = no).",
    ).add(state === TIME_ERROR ? 0 : 1),
    gauge("node_timex_frequency_adjustment_ratio", "Local clock frequency adjustment.").add(
      1 + of("freq") / FREQUENCY_UNIT,
    ),
    ...FIGURES.map(({ member, name, help, unit }) =>
      (name.endsWith("_total") ? counter : gauge)(`node_timex_${name}`, help).add(
        of(member) / (unit === "clock" ? clockUnit : unit),
      ),
    ),
  ];
});
