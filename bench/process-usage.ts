import { readdirSync, readFileSync } from "node:fs";

/** Resident memory of a process, in bytes. */
export function residentBytes(pid: number): number {
  const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  if (kib === undefined) throw new Error(`Process ${pid} has no resident memory`);
  return Number(kib) * 1024;
}

/** CPU time of all threads of a process so far, in milliseconds: schedstat counts nanoseconds where stat counts ticks of 10 ms. */
export function cpuMs(pid: number): number {
  let ns = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ", 1)[0]);
  }
  return ns / 1e6;
}
