import { isSameProcess, processIdentity } from "../platform/index.ts";

/** The process that runs a job. */
export interface JobOwner {
  readonly pid: number;
  /** Tells it from a later process of the same number. */
  readonly identity: string;
}

let own: Promise<JobOwner> | undefined;

export async function thisProcess(): Promise<JobOwner> {
  own ??= processIdentity(process.pid).then((identity = "") => ({ pid: process.pid, identity }));
  return await own;
}

/** The number of the owner when it is another process that lives. */
export async function otherProcess(owner: JobOwner | undefined): Promise<number | undefined> {
  if (owner === undefined || owner.pid === process.pid) return undefined;
  return (await isSameProcess(owner.pid, owner.identity)) ? owner.pid : undefined;
}
