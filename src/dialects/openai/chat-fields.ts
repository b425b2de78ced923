type Fields = Readonly<Record<string, unknown>>;

/**
 * A chat request in the form that engines read, or undefined when it is in that form already, as nearly all are. `enable_thinking` beside
 * the messages, as vLLM and Lemonade's later versions take it, goes to the template. With `isOfPage` also what the page that Lemonade
 * shipped sends: `raw` beside the content of an answer, which strict engines refuse, and two turns of the user in a row after a stop,
 * which templates refuse that want roles to alternate.
 */
export function engineChatFields(fields: Fields, { isOfPage }: { isOfPage: boolean }): Fields | undefined {
  const messages = isOfPage ? plainMessages(fields["messages"]) : undefined;
  const wish = fields["enable_thinking"];
  if (messages === undefined && typeof wish !== "boolean") return undefined;
  return {
    ...fields,
    ...(messages && { messages }),
    // Whoever names both means the one that llama.cpp knows.
    ...(typeof wish === "boolean" && { chat_template_kwargs: { enable_thinking: wish, ...(fields["chat_template_kwargs"] as Fields) } }),
  };
}

function plainMessages(messages: unknown): readonly Fields[] | undefined {
  if (!Array.isArray(messages)) return undefined;
  const turns = messages as readonly Fields[];
  const isPlain = turns.every((turn, i) => !("raw" in turn) && !(i > 0 && areOne(turns[i - 1], turn)));
  if (isPlain) return undefined;
  const plain: Fields[] = [];
  for (const turn of turns) {
    const { raw: _raw, ...kept } = turn;
    const last = plain.at(-1);
    if (areOne(last, kept)) plain[plain.length - 1] = { ...last, content: joined(last?.["content"], kept["content"]) };
    else plain.push(kept);
  }
  return plain;
}

/** Two turns of the user, of which nothing would be lost. */
function areOne(before: Fields | undefined, turn: Fields): boolean {
  return before !== undefined && [before, turn].every((one) => one["role"] === "user" && Object.keys(one).length === 2 && hasContent(one));
}

const hasContent = ({ content }: Fields): boolean => typeof content === "string" || Array.isArray(content);

function joined(first: unknown, second: unknown): unknown {
  if (typeof first === "string" && typeof second === "string") return `${first}\n\n${second}`;
  return [...partsOf(first), ...partsOf(second)];
}

const partsOf = (content: unknown): readonly unknown[] => (Array.isArray(content) ? content : [{ type: "text", text: content }]);
