import { html, raw } from "hono/html";
import type { OpenApiDocument, Operation } from "./types.ts";

type Html = ReturnType<typeof html>;

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 0.9em ui-monospace, monospace; }
pre { overflow: auto; max-height: 30rem; padding: 0.8rem; border: 1px solid #8884; border-radius: 6px; }
details { border-top: 1px solid #8884; padding: 0.4rem 0; }
summary { cursor: pointer; }
.method { display: inline-block; min-width: 4rem; font-weight: 600; }
table { border-collapse: collapse; }
td { padding: 0.1rem 0.8rem 0.1rem 0; vertical-align: top; }
`;

/** The document as a page that needs no script and nothing from elsewhere. */
export async function docsPage(document: OpenApiDocument): Promise<string> {
  const { info, tags, paths } = document;
  const operations = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([method]) => method !== "$ref")
      .map(([method, operation]) => ({ method, path, operation: operation as Operation })),
  );
  const page = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>${info.title} API</title>
        <style>
          ${raw(STYLE)}
        </style>
      </head>
      <body>
        <h1>${info.title} ${info.version}</h1>
        <p>${inline(info.description)}</p>
        <p>For programs: <a href="/openapi.json">openapi.json</a> (OpenAPI ${document.openapi}).</p>
        ${tags.map(
          ({ name }) =>
            html`<h2>${name}</h2>
              ${operations.filter(({ operation }) => operation.tags.includes(name)).map(renderOperation)}`,
        )}
      </body>
    </html>`;
  return page.toString();
}

function renderOperation({ method, path, operation }: { method: string; path: string; operation: Operation }): Html {
  const { summary, description = "", parameters = [], requestBody, responses } = operation;
  return html`<details id="${method}-${path}">
    <summary><span class="method">${method.toUpperCase()}</span> <code>${path}</code> ${inline(summary)}</summary>
    <p>${inline(description)}</p>
    ${
      parameters.length === 0
        ? ""
        : html`<h4>Parameters</h4>
            <table>
              ${parameters.map(
                ({ name, in: place, required, schema, description = "" }) =>
                  html`<tr>
                    <td><code>${name}</code></td>
                    <td>${place}${required ? ", required" : ""}</td>
                    <td><code>${JSON.stringify(schema)}</code> ${inline(description)}</td>
                  </tr>`,
              )}
            </table>`
    }
    ${requestBody === undefined ? "" : renderContent("Body", requestBody.content)}
    <h4>Answers</h4>
    <table>
      ${Object.entries(responses).map(
        ([status, response]) =>
          html`<tr>
            <td>${status}</td>
            <td>${inline(response.description)}</td>
          </tr>`,
      )}
    </table>
    ${Object.entries(responses)
      .filter(([status, { content }]) => Number(status) < 300 && content !== undefined)
      .map(([status, { content = {} }]) => renderContent(status, content))}
  </details>`;
}

function renderContent(title: string, content: Readonly<Record<string, { readonly schema?: unknown }>>): Html {
  return html`${Object.entries(content).map(
    ([type, { schema }]) =>
      html`<h4>${title}: ${type}</h4>
        <pre>${JSON.stringify(schema, null, 2)}</pre>`,
  )}`;
}

/** Words in backticks as code; everything is escaped. */
function inline(text: string): Html {
  return html`${text.split("`").map((part, i) => (i % 2 === 1 ? html`<code>${part}</code>` : part))}`;
}
