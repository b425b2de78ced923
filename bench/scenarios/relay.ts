import { BUDGETS } from "../budgets.ts";
import type { LoadWatch, Measured } from "../machine.ts";
import { cpuMs, residentBytes } from "../process-usage.ts";
import type { Row, Scenario, Target } from "../result.ts";
import { perRound, summarize, type Summary } from "../summary.ts";
import { loadMock, mockFacts, startLemonade } from "../targets/lemonade.ts";
import { startNginx } from "../targets/nginx.ts";
import { CHAT_BODY, runWrk, streamBody, type WrkOptions, type WrkResult } from "../wrk.ts";
import { checkRelay } from "./check-relay.ts";

type RelayScenario = Extract<Scenario, "latency" | "throughput" | "events">;

interface Load {
  readonly connections: number;
  readonly seconds: number;
  readonly body: string;
}

const EVENTS_PER_STREAM = 200;
/** The last answer of a stream carries a final event and the end mark beside its tokens. */
const EVENTS_SENT = EVENTS_PER_STREAM + 2;

const LOADS: Readonly<Record<RelayScenario, Load>> = {
  latency: { connections: 1, seconds: 2, body: CHAT_BODY },
  throughput: { connections: 64, seconds: 2, body: CHAT_BODY },
  events: { connections: 16, seconds: 2, body: streamBody({ events: EVENTS_PER_STREAM }) },
};

interface Sample extends WrkResult {
  readonly cpuMs: number;
  readonly rssMb: number;
}

type Samples = Readonly<Record<Target, Sample[]>>;
const TARGETS: readonly Target[] = ["direct", "nginx", "lemonade"];

export interface RelayOptions {
  readonly only: readonly RelayScenario[];
  readonly rounds: number;
  readonly load: LoadWatch;
  /** Whether the generator and the mock share the first core and leave the others to the relays. */
  readonly pin: boolean;
}

/** The same load on the mock itself, through nginx and through lemonade, in turns; the order changes from round to round. */
export async function measureRelay({ only, rounds, load, pin }: RelayOptions): Promise<Row[]> {
  await using server = await startLemonade();
  await loadMock(server);
  const mock = await mockFacts(server);
  await using nginx = await startNginx(mock.baseUrl);
  const targets = { direct: mock, nginx, lemonade: server };
  const prefix = pin ? ["taskset", "-c", "0"] : [];
  if (pin) await pinAll({ mock: mock.pid, relays: [nginx.pid, server.pid] });
  await checkRelay(TARGETS.map((target) => targets[target].baseUrl));
  const samples = new Map<RelayScenario, Samples>(only.map((scenario) => [scenario, { direct: [], nginx: [], lemonade: [] }]));
  // Warm: the first seconds of a just-in-time compiler are a matter of start-up.
  for (const [scenario] of samples) for (const target of TARGETS) await runWrk(targets[target].baseUrl, { ...LOADS[scenario], prefix });
  for (let round = 0; round < rounds; round++) {
    for (const [scenario, of] of samples) {
      await load.quiet();
      for (let turn = 0; turn < TARGETS.length; turn++) {
        const target = TARGETS[(round + turn) % TARGETS.length] ?? "direct";
        of[target].push(await load.undisturbed(() => measureOnce(targets, { target, load: { ...LOADS[scenario], prefix } })));
      }
    }
  }
  return [...samples].flatMap(([scenario, of]) => ROWS[scenario](of));
}

type Targets = Readonly<Record<Target, { readonly baseUrl: string; readonly pid: number }>>;

async function measureOnce(targets: Targets, options: { target: Target; load: WrkOptions }): Promise<Measured<Sample>> {
  const { baseUrl, pid } = targets[options.target];
  const behind = targets.direct.pid === pid ? [] : [targets.direct.pid];
  const [before, behindBefore, ownBefore] = [cpuMs(pid), sumOf(behind.map(cpuMs)), process.cpuUsage()];
  const result = await runWrk(baseUrl, options.load);
  const used = cpuMs(pid) - before;
  const own = process.cpuUsage(ownBefore);
  const ourCpuMs = used + sumOf(behind.map(cpuMs)) - behindBefore + result.generatorCpuMs + (own.user + own.system) / 1e3;
  return { value: { ...result, cpuMs: used, rssMb: residentBytes(pid) / 1e6 }, ourCpuMs };
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

const ROWS: Readonly<Record<RelayScenario, (samples: Samples) => Row[]>> = {
  latency(samples) {
    const rows = (["p50Us", "p99Us"] as const).map((field) => {
      const [direct, nginx, lemonade] = TARGETS.map((target) => series(samples[target], (sample) => sample[field] / 1e3));
      return { name: field === "p50Us" ? "p50" : "p99", of: { direct, nginx, lemonade } as Record<Target, Summary> };
    });
    return rows.flatMap(({ name, of }) => [
      { what: `latency ${name}, 1 connection`, unit: "ms" as const, of },
      {
        what: `added latency ${name}, 1 connection`,
        unit: "ms" as const,
        of: { nginx: perRound(of.nginx, of.direct, subtract), lemonade: perRound(of.lemonade, of.direct, subtract) },
        budget: name === "p50" ? BUDGETS.addedLatencyP50Ms : BUDGETS.addedLatencyP99Ms,
      },
    ]);
  },
  throughput: (samples) => [
    { what: "requests per second, 64 connections", unit: "1/s", of: rates(samples, 1), budget: BUDGETS.requestsPerSecond },
    { what: "CPU time per request", unit: "µs", of: cpuPerUnit(samples, 1) },
    { what: "resident memory under this load", unit: "MB", of: memory(samples) },
  ],
  events: (samples) => [
    { what: "streamed events per second, 16 streams", unit: "1/s", of: rates(samples, EVENTS_SENT), budget: BUDGETS.eventsPerSecond },
    { what: "CPU time per event", unit: "µs", of: cpuPerUnit(samples, EVENTS_SENT) },
    { what: "resident memory under this load", unit: "MB", of: memory(samples) },
  ],
};

const subtract = (a: number, b: number): number => a - b;

function series(samples: readonly Sample[], valueOf: (sample: Sample) => number): Summary {
  return summarize(samples.map(valueOf));
}

function ofAll(samples: Samples, valueOf: (sample: Sample) => number): Record<Target, Summary> {
  return {
    direct: series(samples.direct, valueOf),
    nginx: series(samples.nginx, valueOf),
    lemonade: series(samples.lemonade, valueOf),
  };
}

const rates = (samples: Samples, perRequest: number) => ofAll(samples, (s) => (s.requests * perRequest * 1e6) / s.durationUs);
const cpuPerUnit = (samples: Samples, perRequest: number) => ofAll(samples, (s) => (s.cpuMs * 1e3) / (s.requests * perRequest));
const memory = (samples: Samples) => ofAll(samples, (sample) => sample.rssMb);

async function pinAll({ mock, relays }: { mock: number; relays: readonly number[] }): Promise<void> {
  const others = `1-${navigator.hardwareConcurrency - 1}`;
  const pinOne = (pid: number, cores: string) => Bun.spawn(["taskset", "-a", "-c", "-p", cores, String(pid)], { stdout: "ignore" }).exited;
  await pinOne(mock, "0");
  for (const pid of relays) await pinOne(pid, others);
}
