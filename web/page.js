/** The plain page of a lemonade server: its models, and a chat with one of them. It asks nothing but the public API of its own origin. */

const POLL_MS = 5000;

const element = (id) => document.getElementById(id);
const key = element("key");
const select = element("model");
const message = element("message");

/** The conversation as the API takes it. */
let turns = [];
/** Stops the answer that is being written; undefined while none is. */
let answering;
/** The server did not answer, or refused, when it was asked last. */
let isRefused = false;

function say(text) {
  element("status").textContent = text;
}

/** Makes an element with these properties and children. */
function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Sends a request; throws the server's own words when it refuses. */
async function ask(path, { body, signal } = {}) {
  const headers = key.value === "" ? {} : { authorization: `Bearer ${key.value}` };
  const init = body === undefined ? { headers, signal } : { method: "POST", headers, signal, body: JSON.stringify(body) };
  const response = await fetch(`/api/v1/${path}`, init);
  if (response.ok) return response;
  const text = await response.text();
  let detail = text;
  try {
    detail = JSON.parse(text).detail ?? text;
  } catch {
    // Something between us and the server answered.
  }
  throw new Error(detail || response.statusText);
}

async function refresh() {
  try {
    const [health, models] = await Promise.all([ask("health"), ask("models")].map(async (asked) => (await asked).json()));
    show(models.data, new Map(health.all_models_loaded.map((loaded) => [loaded.model_name, loaded])));
    if (isRefused) say("");
    isRefused = false;
  } catch (error) {
    isRefused = true;
    say(error.message);
  }
}

function show(models, loaded) {
  element("models").replaceChildren(...models.map((model) => row(model, loaded.get(model.id))));
  const chosen = select.value || new URLSearchParams(location.search).get("model");
  const talkative = models.filter(({ labels }) => !labels.includes("embeddings") && !labels.includes("reranking"));
  const names = talkative.map(({ id }) => id).toSorted((a, b) => Number(loaded.has(b)) - Number(loaded.has(a)));
  // Replacing the options of an open list would close it.
  if ([...select.options].map(({ value }) => value).join("\n") === names.join("\n")) return;
  select.replaceChildren(...names.map((value) => make("option", { value, textContent: value })));
  if (names.includes(chosen)) select.value = chosen;
}

function row({ id, size }, status) {
  const progress = status?.load_progress ? ` ${Math.round(status.load_progress * 100)} %` : "";
  const isLoaded = status !== undefined && status.state !== "failed";
  const button = make("button", { textContent: isLoaded ? "Unload" : "Load", type: "button" });
  button.setAttribute("aria-label", `${button.textContent} ${id}`);
  button.addEventListener("click", () => void change(isLoaded ? "unload" : "load", id));
  return make(
    "tr",
    {},
    make("td", { textContent: id }),
    make("td", { textContent: size ? `${size} GB` : "" }),
    make("td", { textContent: status === undefined ? "" : `${status.state}${progress}`, title: status?.notes.join("\n") ?? "" }),
    make("td", {}, button),
  );
}

async function change(what, model) {
  say(`${what === "load" ? "Loading" : "Unloading"} ${model} …`);
  try {
    const asked = ask(what, { body: { model_name: model } });
    void refresh();
    say((await (await asked).json()).message);
  } catch (error) {
    say(error.message);
  }
  await refresh();
}

/** Adds a turn to the page. */
function article(who) {
  const text = make("div", { className: "text" });
  const made = make("article", {}, make("h3", { textContent: who }), text);
  element("chat").append(made);
  return { made, text };
}

async function answer() {
  const model = select.value;
  const conversation = turns;
  conversation.push({ role: "user", content: message.value });
  article("You").text.textContent = message.value;
  message.value = "";
  const { made, text } = article(model);
  const thoughts = make("div");
  let content = "";
  answering = new AbortController();
  element("send").hidden = true;
  element("stop").hidden = false;
  try {
    const response = await ask("chat/completions", { body: { model, messages: conversation, stream: true }, signal: answering.signal });
    for await (const { error, choices } of events(response.body)) {
      if (error !== undefined) throw new Error(error.message);
      const delta = choices?.[0]?.delta ?? {};
      if (delta.reasoning_content) {
        if (thoughts.textContent === "") text.before(make("details", {}, make("summary", { textContent: "Thoughts" }), thoughts));
        thoughts.append(delta.reasoning_content);
      }
      if (delta.content) {
        content += delta.content;
        text.append(delta.content);
      }
    }
  } catch (error) {
    const isStopped = answering.signal.aborted;
    made.append(make("p", { className: isStopped ? "" : "error", textContent: isStopped ? "Stopped." : error.message }));
  }
  // Templates want turns that alternate: without an answer the question goes, too, and can be sent again.
  if (content !== "") conversation.push({ role: "assistant", content });
  else {
    const question = conversation.pop();
    message.value ||= question.content;
  }
  answering = undefined;
  element("send").hidden = false;
  element("stop").hidden = true;
  await refresh();
}

/** The JSON of each server-sent event. Closing the connection early is what stops the engine. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line.startsWith("data: {")) yield JSON.parse(line.slice("data: ".length));
  }
}

key.value = sessionStorage.getItem("lemonade-key") ?? "";
key.addEventListener("change", () => {
  sessionStorage.setItem("lemonade-key", key.value);
  void refresh();
});
element("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  if (answering === undefined && message.value.trim() !== "" && select.value !== "") void answer();
});
message.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  element("ask").requestSubmit();
});
element("stop").addEventListener("click", () => answering?.abort());
element("clear").addEventListener("click", () => {
  answering?.abort();
  turns = [];
  element("chat").replaceChildren();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) void refresh();
});
setInterval(() => {
  if (!document.hidden) void refresh();
}, POLL_MS);
await refresh();
