import { RouterError } from "../errors.ts";
import { errorAnswer } from "./error-answer.ts";

export interface Listener {
  readonly port: number;
  /** Stops accepting; resolves once running requests are done, or at once when forced. */
  stop(options: { force: boolean }): Promise<void>;
}

/** Our side of one web socket. */
export interface SocketSession {
  /** Called once it is open. `send` resolves when the client can take more. */
  open(socket: { send(text: string): Promise<void> }): Promise<void>;
  close(): void;
}

/** What a request handler may ask of the listener. */
export interface Connection {
  /** Turns the request into a web socket; false when the request does not ask for one. The handler's response is dropped then. */
  upgrade(session: SocketSession): boolean;
  /** Called once the request's body has been read: from now on the connection may be silent as long as the answer takes. */
  bodyIsRead(): void;
  /** Called when an answer of events has come to its end, or its client has left: silence is limited again. Any other answer ends itself. */
  answerHasEnded(): void;
  /** Address of the client; none for a request that came without a socket. */
  readonly remoteAddress?: string | undefined;
}

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly fetch: (request: Request, connection: Connection) => Promise<Response>;
  /** How long a connection may be silent between requests, or in the middle of one that it sends, in seconds. Defaults to 60. */
  readonly idleSeconds?: number | undefined;
  /** Told what `fetch` throws; its client learns nothing of it. */
  readonly onMistake: (error: unknown) => void;
}

/** Bun looks at its connections every four seconds. */
const IDLE_SECONDS = 60;

interface SocketData {
  readonly session: SocketSession;
  drained: PromiseWithResolvers<void>;
}

/** The addresses that a host name of ours stands for: `localhost` is both loopbacks, since clients resolve it either way. */
function addressesOf(host: string): readonly string[] {
  return host === "localhost" ? ["127.0.0.1", "::1"] : [host];
}

/**
 * Listens on every address of `host`; on a machine without IPv6 the second loopback is left out.
 * @throws {@link RouterError} `PORT_IN_USE`.
 */
export function listen(options: ListenOptions): Listener {
  const servers: Bun.Server<SocketData>[] = [];
  let { port } = options;
  for (const hostname of addressesOf(options.host)) {
    try {
      const server = serve({ ...options, port }, hostname);
      servers.push(server);
      port = server.port ?? port;
    } catch (error) {
      if (servers.length > 0 && (error as NodeJS.ErrnoException).code !== "EADDRINUSE") continue;
      for (const server of servers) void server.stop(true);
      throw listenError(options, error);
    }
  }
  return {
    port,
    async stop({ force }) {
      await Promise.all(servers.map((server) => server.stop(force)));
    },
  };
}

function serve({ port, fetch, onMistake, idleSeconds = IDLE_SECONDS }: ListenOptions, hostname: string): Bun.Server<SocketData> {
  return Bun.serve<SocketData>({
    hostname,
    port,
    development: false, // Bun's page about a mistake shows sources, paths and the stack to whoever asks.
    reusePort: false, // Otherwise Bun lets two servers share a port, once it takes itself to be in production.
    idleTimeout: idleSeconds,
    // Whoever reads a body limits it: files of models come here, too. Bun takes no more than is read, and drops what nobody reads.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    fetch(request, server) {
      let isUpgraded = false;
      const connection: Connection = {
        upgrade: (session) => (isUpgraded = server.upgrade(request, { data: { session, drained: Promise.withResolvers() } })),
        bodyIsRead: () => server.timeout(request, 0),
        // What is set for one request stays with its connection.
        answerHasEnded: () => server.timeout(request, idleSeconds),
        get remoteAddress() {
          return server.requestIP(request)?.address;
        },
      };
      return fetch(withAddress(request), connection).then((answer) => {
        if (isUpgraded) return undefined as never; // Bun wants no response for a request that became a web socket.
        if (!isEventStream(answer)) connection.answerHasEnded();
        return answer;
      });
    },
    error(error) {
      onMistake(error);
      return errorAnswer(error);
    },
    websocket: {
      async open(socket) {
        const send = async (text: string) => {
          if (socket.send(text) !== BACKPRESSURE) return;
          socket.data.drained = Promise.withResolvers();
          await socket.data.drained.promise;
        };
        await socket.data.session.open({ send });
        socket.close(GOING_AWAY);
      },
      message() {},
      drain: (socket) => socket.data.drained.resolve(),
      close(socket) {
        socket.data.drained.resolve();
        socket.data.session.close();
      },
    },
  });
}

/** Events may be far apart; the rest of any other answer is there or on its way. */
function isEventStream({ headers }: Response): boolean {
  return headers.get("content-type")?.startsWith("text/event-stream") ?? false;
}

/** A request without a host (HTTP/1.0 allows that, and health checks of proxies are such) has a path for an address. */
function withAddress(request: Request): Request {
  return request.url.startsWith("/") ? new Request(`http://localhost${request.url}`, request) : request;
}

/** RFC 6455, 7.4.1: the end of a session that the server ends. */
const GOING_AWAY = 1001;

/** What Bun's `send` answers when the client does not keep up. */
const BACKPRESSURE = -1;

function listenError({ host, port }: ListenOptions, error: unknown): RouterError {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "EADDRINUSE") return new RouterError("PORT_IN_USE", `Port ${port} is taken`, { cause: error });
  return new RouterError("PORT_IN_USE", `Cannot listen on ${host}, port ${port}: ${(error as Error).message}`, { cause: error });
}
