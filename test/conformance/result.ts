/** One call of an official client, the same in every language: a method's path, its positional and its named arguments. */
export interface Call {
  readonly method: string;
  readonly args?: readonly unknown[];
  readonly body?: Readonly<Record<string, unknown>>;
  /** Fields that the client's own types do not know. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** Instead of the right one. */
  readonly apiKey?: string;
}

/** What came of it, as plain data. Of a stream that broke both are there: its events and its error. */
export interface Result {
  readonly value?: unknown;
  readonly events?: readonly unknown[];
  readonly error?: ClientError;
}

export interface ClientError {
  /** Name of the exception's class; the official clients have the same ones. */
  readonly class: string;
  readonly status: number | null;
  readonly code: string | null;
  readonly type: string | null;
  readonly message: string;
}

export interface Target {
  readonly baseUrl: string;
  readonly apiKey: string;
  /** As the client is configured by default; without it nothing is repeated, so that a failure is seen as it is. */
  readonly repeatsRequests?: boolean;
}

/** Makes calls with one official client, in order. */
export type Runner = (target: Target, calls: readonly Call[]) => Promise<readonly Result[]>;
