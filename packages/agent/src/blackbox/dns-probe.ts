/** Prober `dns`: asks a server over UDP, TCP or TLS and checks the code and the records of its answer. */
import { createSocket } from "node:dgram";
import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import { describeError } from "@finch/runtime";
import { openSocket, resolveAddress, secureSocket, splitHostPort } from "./connect.ts";
import { decodeAnswer, encodeQuestion, type DnsAnswer, type DnsRecord } from "./dns-message.ts";
import { DNS_TYPES } from "./dns-names.ts";
import type { DnsModule, RecordRules } from "./module.ts";
import type { Probe } from "./probe.ts";
import { SocketReader } from "./socket-reader.ts";

const DURATION = {
  name: "probe_dns_duration_seconds",
  help: "Duration of DNS request by phase",
};
const rrs = (which: string) => ({
  name: `probe_dns_${which}_rrs`,
  help: `Returns number of entries in the ${which} resource record list`,
});
const ANSWER = rrs("answer");
const AUTHORITY = rrs("authority");
const ADDITIONAL = rrs("additional");
const SUCCEEDED = {
  name: "probe_dns_query_succeeded",
  help: "Displays whether or not the query was executed successfully",
};
const SERIAL = { name: "probe_dns_serial", help: "Returns the serial number of the zone" };

export async function probeDns(probe: Probe, target: string, module: DnsModule): Promise<boolean> {
  for (const phase of ["resolve", "connect", "request"]) probe.set(DURATION, 0, "phase", phase);
  for (const one of [ANSWER, AUTHORITY, ADDITIONAL, SUCCEEDED]) probe.set(one, 0);
  const { host, port } = splitHostPort(target) ?? {
    host: target.replace(/^\[(.*)\]$/, "$1"),
    port: module.overTls ? 853 : 53,
  };
  const { address, seconds } = await resolveAddress(probe, host, module.ip);
  if (address === undefined) return false;
  probe.add(DURATION, seconds, "phase", "resolve");
  let answer: DnsAnswer;
  try {
    const question = encodeQuestion({
      id: Math.floor(Math.random() * 65_536),
      name: domainToASCII(module.queryName) || module.queryName,
      type: module.queryType,
      class: module.queryClass,
      recursionDesired: module.recursionDesired,
    });
    const server = { host, address, port };
    answer =
      module.transport === "udp"
        ? await askOverUdp(probe, { question, server, module })
        : await askOverTcp(probe, { question, server, module });
  } catch (error) {
    return probe.fail(`the query failed: ${describeError(error)}`);
  }
  report(probe, answer, module);
  if (!module.validRcodes.includes(answer.rcode))
    return probe.fail(`the answer has the code ${answer.rcode}`);
  return (
    recordsAreFine(probe, answer.answer, module.answer) &&
    recordsAreFine(probe, answer.authority, module.authority) &&
    recordsAreFine(probe, answer.additional, module.additional)
  );
}

function report(probe: Probe, answer: DnsAnswer, module: DnsModule): void {
  probe.set(ANSWER, answer.answer.length);
  probe.set(AUTHORITY, answer.authority.length);
  probe.set(ADDITIONAL, answer.additional.length);
  probe.set(SUCCEEDED, 1);
  if (module.queryType !== DNS_TYPES.get("SOA")) return;
  probe.set(SERIAL, 0);
  for (const { serial } of answer.answer) if (serial !== undefined) probe.set(SERIAL, serial);
}

interface Asking {
  readonly question: Buffer;
  readonly server: { readonly host: string; readonly address: string; readonly port: number };
  readonly module: DnsModule;
}

function askOverUdp(probe: Probe, { question, server, module }: Asking): Promise<DnsAnswer> {
  return new Promise((resolve, reject) => {
    const startMs = probe.monotonicMs();
    const socket = createSocket(isIP(server.address) === 6 ? "udp6" : "udp4");
    const end = (settle: () => void) => {
      probe.signal.removeEventListener("abort", onAbort);
      socket.close();
      settle();
    };
    const onAbort = () => end(() => reject(probe.signal.reason as Error));
    probe.signal.addEventListener("abort", onAbort, { once: true });
    socket.on("error", (error) => end(() => reject(error)));
    let sentMs = startMs;
    socket.on("message", (message) => {
      // A late answer to another question, or a forged one, is not waited for in vain: the right one may still come.
      if (message.length < 2 || message.readUInt16BE(0) !== question.readUInt16BE(0)) return;
      probe.set(DURATION, (probe.monotonicMs() - sentMs) / 1000, "phase", "request");
      end(() => {
        try {
          resolve(decodeAnswer(message));
        } catch (error) {
          reject(error as Error);
        }
      });
    });
    socket.bind({ port: 0, ...(module.sourceAddress && { address: module.sourceAddress }) }, () => {
      socket.connect(server.port, server.address, (error?: Error) => {
        if (error !== undefined && error !== null) return;
        sentMs = probe.monotonicMs();
        probe.set(DURATION, (sentMs - startMs) / 1000, "phase", "connect");
        socket.send(question);
      });
    });
  });
}

async function askOverTcp(probe: Probe, { question, server, module }: Asking): Promise<DnsAnswer> {
  const startMs = probe.monotonicMs();
  const socket = await openSocket(
    {
      host: server.address,
      port: server.port,
      ...(module.sourceAddress === undefined ? {} : { localAddress: module.sourceAddress }),
    },
    probe.signal,
  );
  try {
    const connection = module.overTls
      ? await secureSocket(probe, socket, { host: server.host, tls: module.tls })
      : socket;
    const sentMs = probe.monotonicMs();
    probe.set(DURATION, (sentMs - startMs) / 1000, "phase", "connect");
    const length = Buffer.alloc(2);
    length.writeUInt16BE(question.length);
    connection.write(Buffer.concat([length, question]));
    const reader = new SocketReader(connection, probe.signal);
    const head = await reader.readBytes(2);
    const message = head && (await reader.readBytes(head.readUInt16BE(0)));
    if (message === undefined) throw new Error("the server closed the connection");
    probe.set(DURATION, (probe.monotonicMs() - sentMs) / 1000, "phase", "request");
    const answer = decodeAnswer(message);
    if (answer.id !== question.readUInt16BE(0))
      throw new Error("the answer is to another question");
    return answer;
  } finally {
    socket.destroy();
  }
}

function recordsAreFine(probe: Probe, records: readonly DnsRecord[], rules: RecordRules): boolean {
  const { failIfMatches, failIfAllMatch, failIfNotMatches, failIfNoneMatches } = rules;
  if (records.length === 0 && failIfNotMatches.length + failIfNoneMatches.length > 0)
    return probe.fail("records must match, and there are none");
  for (const { text } of records) {
    if (failIfMatches.some((regexp) => regexp.test(text)))
      return probe.fail(`record ${JSON.stringify(text)} matches fail_if_matches_regexp`);
    if (!failIfNotMatches.every((regexp) => regexp.test(text)))
      return probe.fail(`record ${JSON.stringify(text)} does not match fail_if_not_matches_regexp`);
  }
  // Go's exporter fails here when one does not match, in spite of the name; fixed rules would break probes that work.
  const allMatch = records.every(({ text }) => failIfAllMatch.every((regexp) => regexp.test(text)));
  if (failIfAllMatch.length > 0 && !allMatch) return probe.fail("not all records match");
  const anyMatches = records.some(({ text }) =>
    failIfNoneMatches.some((regexp) => regexp.test(text)),
  );
  if (failIfNoneMatches.length > 0 && !anyMatches) return probe.fail("no record matches");
  return true;
}
