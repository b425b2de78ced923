/**
 * ChatML with tool calls in the Hermes manner, which engines recognise by rendering the template and looking at the result:
 * `<tool_call>` around `{"name": …, "arguments": …}`. No ` tool` stands after the list of tools: the model listens to it.
 */
export function chatTemplate({ isReasoning }: { isReasoning: boolean }): string {
  // In a model that does not think, no trace of thinking may be left: engines look for the tags to decide whether it does.
  const past = isReasoning ? PAST_THOUGHT : "";
  const skipped = isReasoning ? SKIPPED_THOUGHT : "";
  return String.raw`{%- if tools %}
  {{- '<|im_start|>system\n' }}
  {%- if messages[0].role == 'system' %}
    {{- messages[0].content + '\n\n' }}
  {%- endif %}
  {{- 'You may call one or more of these functions:\n<tools>' }}
  {%- for tool in tools %}
    {{- '\n' }}
    {{- tool | tojson }}
  {%- endfor %}
  {{- '\n</tools>\nA call is a JSON object within tags:\n<tool_call>\n{"name": <name>, "arguments": <arguments>}\n</tool_call><|im_end|>\n' }}
{%- elif messages[0].role == 'system' %}
  {{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
  {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
    {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
  {%- elif message.role == 'assistant' %}
    {{- '<|im_start|>assistant\n' }}${past}
    {%- if message.content %}
      {{- message.content }}
    {%- endif %}
    {%- if message.tool_calls %}
      {%- for tool_call in message.tool_calls %}
        {%- if tool_call.function %}
          {%- set tool_call = tool_call.function %}
        {%- endif %}
        {%- if (loop.first and message.content) or (not loop.first) %}
          {{- '\n' }}
        {%- endif %}
        {{- '<tool_call>\n{"name": "' + tool_call.name + '", "arguments": ' }}
        {%- if tool_call.arguments is string %}
          {{- tool_call.arguments }}
        {%- else %}
          {{- tool_call.arguments | tojson }}
        {%- endif %}
        {{- '}\n</tool_call>' }}
      {%- endfor %}
    {%- endif %}
    {{- '<|im_end|>\n' }}
  {%- elif message.role == 'tool' %}
    {%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}
      {{- '<|im_start|>user' }}
    {%- endif %}
    {{- '\n<tool_response>\n' + message.content + '\n</tool_response>' }}
    {%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}
      {{- '<|im_end|>\n' }}
    {%- endif %}
  {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
  {{- '<|im_start|>assistant\n' }}${skipped}
{%- endif %}`;
}

const PAST_THOUGHT = `
    {%- if message.reasoning_content %}
      {{- '<think>' + message.reasoning_content + '</think>' }}
    {%- endif %}`;

const SKIPPED_THOUGHT = `
  {%- if enable_thinking is defined and enable_thinking is false %}
    {{- '<think></think>' }}
  {%- endif %}`;
