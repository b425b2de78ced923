import { invalidRequest } from "./api-error.ts";
import { isObject, type RequestBody } from "./request-fields.ts";

export interface ToolDefinition {
  readonly type: "function";
  readonly function: { readonly name: string; readonly description?: string; readonly parameters?: unknown };
}

export type ToolChoice =
  | { readonly kind: "none" }
  | { readonly kind: "auto" }
  | { readonly kind: "required" }
  | { readonly kind: "named"; readonly name: string };

export function toolsOf(body: RequestBody): readonly ToolDefinition[] {
  const { tools } = body;
  if (tools === undefined || tools === null) return [];
  if (!Array.isArray(tools)) throw invalidRequest(`Expected 'tools' to be an array, got ${JSON.stringify(tools)}`);
  return tools.map((tool: unknown) => {
    if (!isObject(tool)) throw invalidRequest(`Expected a tool to be an object, got ${JSON.stringify(tool)}`);
    if (tool["type"] !== "function") throw invalidRequest(`Unsupported tool type: ${JSON.stringify(tool["type"])}`);
    if (!isObject(tool["function"]) || typeof tool["function"]["name"] !== "string") {
      throw invalidRequest(`Missing tool function: ${JSON.stringify(tool)}`);
    }
    return tool as unknown as ToolDefinition; // Checked above; what else it says goes to the template.
  });
}

export function toolChoiceOf(body: RequestBody, tools: readonly ToolDefinition[]): ToolChoice {
  const choice = body["tool_choice"];
  if (choice === undefined || choice === null || choice === "auto") return { kind: "auto" };
  if (choice === "none" || choice === "required") return { kind: choice };
  if (isObject(choice)) {
    const name = isObject(choice["function"]) ? choice["function"]["name"] : choice["name"];
    if (typeof name === "string" && tools.some((tool) => tool.function.name === name)) return { kind: "named", name };
    throw invalidRequest(`Invalid tool_choice: no tool is named ${JSON.stringify(name)}`);
  }
  throw invalidRequest(`Invalid tool_choice: ${typeof choice === "string" ? choice : JSON.stringify(choice)}`);
}

/** As the template gets them: every function with a description and parameters, which many templates read unasked. */
export function templateTools(tools: readonly ToolDefinition[]): readonly unknown[] {
  return tools.map((tool) => ({
    ...tool,
    function: { ...tool.function, description: tool.function.description ?? "", parameters: tool.function.parameters ?? {} },
  }));
}

/** Whether the value of a parameter stands as bare text between tags: its schema says string, or says nothing. */
export function isStringParameter(tools: readonly ToolDefinition[], functionName: string, parameter: string): boolean {
  const parameters = tools.find((tool) => tool.function.name === functionName)?.function.parameters;
  const properties = isObject(parameters) && isObject(parameters["properties"]) ? parameters["properties"] : {};
  const schema = properties[parameter];
  if (!isObject(schema)) return true;
  const { type } = schema;
  if (Array.isArray(schema["enum"])) return schema["enum"].every((value) => typeof value === "string");
  if (typeof schema["const"] === "string") return true;
  return type === undefined
    ? schema["anyOf"] === undefined && schema["$ref"] === undefined
    : type === "string" || (Array.isArray(type) && type.includes("string"));
}
