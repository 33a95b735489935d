/** How a program is kept running on a host: a unit of systemd, or a script of ours that starts it again when it ends. */
import { SERVICE, supervisorPath, unitPath } from "./layout.ts";
import type { Program } from "./layout.ts";

export interface Supervision {
  readonly path: string;
  readonly content: string;
  readonly mode: string;
  /** Scripts for the host; each may be repeated. */
  readonly restart: string;
  readonly stop: string;
  /** Reads its configuration again without a stop. */
  readonly reload: string;
  /** Status 0 while it runs. */
  readonly status: string;
  /** The last lines it logged. */
  readonly log: string;
  /** What is left to people. */
  readonly hint: string | undefined;
}

export function supervisionOf(
  program: Program,
  { systemd }: { readonly systemd: boolean },
): Supervision {
  return systemd ? unitOf(program) : scriptOf(program);
}

function unitOf(program: Program): Supervision {
  const { name } = program;
  return {
    path: unitPath(program),
    content: unitText(program),
    mode: "644",
    restart: `systemctl daemon-reload; systemctl enable --quiet ${name}; systemctl restart ${name}`,
    stop: `systemctl disable --quiet --now ${name} 2>/dev/null || true`,
    reload: `systemctl reload ${name}`,
    status: `systemctl is-active --quiet ${name}`,
    log: `journalctl --unit ${name} --lines 20 --no-pager --output cat`,
    hint: undefined,
  };
}

/** Runs as root, for it reads logs and figures of everybody, but can change only its own folder. */
function unitText({ name, description, link, command, data }: Program): string {
  return `# Written by finchctl; changes go into "systemctl edit ${name}".
[Unit]
Description=${description}
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=${link}/${command}
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=2
TimeoutStopSec=40
WorkingDirectory=${data}
LimitNOFILE=65536
NoNewPrivileges=true
ProtectSystem=strict
ReadWritePaths=${data}
ProtectKernelModules=true
ProtectKernelTunables=true
ProtectControlGroups=true
RestrictSUIDSGID=true
LockPersonality=true

[Install]
WantedBy=multi-user.target
`;
}

function scriptOf(program: Program): Supervision {
  const path = supervisorPath(program);
  return {
    path,
    content: scriptText(program),
    mode: "755",
    restart: `${path} restart`,
    stop: `[ ! -x ${path} ] || ${path} stop`,
    reload: `${path} reload`,
    status: `[ -x ${path} ] && ${path} status`,
    log: `tail -n 20 /var/log/${program.name}.log`,
    hint: `No systemd runs there: ${path} watches ${program.name === SERVICE.name ? "the service" : "the agent"}, but nobody starts it after a reboot; call "${path} start" from what starts programs there.`,
  };
}

/** Of the log, before it begins anew; the one before is kept. */
const LOG_BYTES_MAX = 16 << 20;

function scriptText({ name, link, command, data }: Program): string {
  return `#!/bin/sh
# Keeps ${name} running where no systemd does: start, stop, restart, reload, status. Written by finchctl.
pids=/run/${name}.pid
log=/var/log/${name}.log

is_up() { [ -s "$pids" ] && kill -0 "$(cat "$pids")" 2>/dev/null; }

turn_log() {
  size=$(wc -c <"$log" 2>/dev/null || echo 0)
  [ "$size" -le ${LOG_BYTES_MAX} ] || { cp "$log" "$log.1" && : >"$log"; }
}

watch() {
  umask 077
  echo $$ >"$pids"
  trap 'stopping=1; kill -TERM "$child" 2>/dev/null' TERM INT
  trap 'kill -HUP "$child" 2>/dev/null' HUP
  stopping= delay=1
  cd ${data} || exit 1
  while [ -z "$stopping" ]; do
    began=$(date +%s)
    ${link}/${command} >>"$log" 2>&1 </dev/null &
    child=$!
    while kill -0 "$child" 2>/dev/null; do
      turn_log
      sleep 2 &
      wait $!
    done
    [ -z "$stopping" ] || break
    [ $(($(date +%s) - began)) -lt 60 ] || delay=1
    echo "${name} ended; it is started again in $delay s" >>"$log"
    sleep "$delay" &
    wait $!
    [ "$delay" -ge 60 ] || delay=$((delay * 2))
  done
  rm -f "$pids"
}

start() {
  is_up && return
  if command -v setsid >/dev/null; then setsid "$0" watch </dev/null >/dev/null 2>&1 &
  else nohup "$0" watch </dev/null >/dev/null 2>&1 &
  fi
  left=50
  until is_up; do
    [ "$left" -gt 0 ] || { echo "${name} does not start; look at $log" >&2; exit 1; }
    left=$((left - 1))
    sleep 0.1
  done
}

stop() {
  is_up || return 0
  kill -TERM "$(cat "$pids")"
  left=45
  while is_up; do
    [ "$left" -gt 0 ] || { echo "${name} does not stop" >&2; exit 1; }
    left=$((left - 1))
    sleep 1
  done
}

case "\${1:-}" in
  start) start ;;
  stop) stop ;;
  restart) stop && start ;;
  reload) is_up && kill -HUP "$(cat "$pids")" ;;
  status) is_up ;;
  watch) watch ;;
  *) echo "usage: $0 start|stop|restart|reload|status" >&2; exit 2 ;;
esac
`;
}
