/** What a fake engine does; by default it is ready at once and answers everything. */
export interface FakeEngineBehaviour {
  /** Lines printed on standard error at the start. */
  readonly stderr?: readonly string[] | undefined;
  /** Lines printed on standard output at the start. */
  readonly stdout?: readonly string[] | undefined;
  /** Ends with this code instead of listening. */
  readonly exitCode?: number | undefined;
  /** Listens only after this time, in milliseconds. */
  readonly listenDelayMs?: number | undefined;
  /** Answers 503, as while a model is being read, to this many questions for its health; -1 for ever. */
  readonly unavailableProbes?: number | undefined;
  /** Reports its state on its output, as llama.cpp's router mode has it. */
  readonly speaksProtocol?: boolean | undefined;
  /** Ends only when it is killed. */
  readonly ignoresSigterm?: boolean | undefined;
  /** Lives on when its standard input closes. By default it ends, as llama-server does. */
  readonly ignoresEndOfInput?: boolean | undefined;
  /** The text of every answer. Defaults to `This is a fake answer.` */
  readonly answer?: string | undefined;
  /** Breaks the connection after this many pieces of a stream. */
  readonly cutsStreamAfter?: number | undefined;
  /** Dies after this many pieces of a stream. */
  readonly diesInStreamAfter?: number | undefined;
  /** Pause between the pieces of a stream, in milliseconds. Defaults to 0. */
  readonly pieceIntervalMs?: number | undefined;
  /** Accepts requests, but never answers them; its health it still tells. */
  readonly isSilent?: boolean | undefined;
  /** Has the routes of its tokenizer only below `/v1`, as some forks do. */
  readonly hasVersionedTokenizer?: boolean | undefined;
}
