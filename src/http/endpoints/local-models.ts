import * as v from "valibot";
import { RouterError } from "../../errors.ts";
import { beginUpload, type Router, type UploadedModel } from "../../router/index.ts";
import { endpoint, type Call, type Endpoint } from "../endpoint.ts";
import { json } from "../json.ts";
import { boundaryOf, readMultipart, type FormPart } from "../multipart.ts";
import { below, ModelName, Success } from "../schemas.ts";

export interface LocalModelOptions {
  readonly router: Router;
  readonly hubCacheDir: string;
}

const flag = v.optional(v.picklist(["true", "false"], "must be true or false"));

/** Everything in a form is text. */
const UploadForm = v.looseObject({
  model_name: ModelName,
  recipe: v.string(),
  /** The folder that was chosen, with the variant that counts after a colon. */
  checkpoint: v.optional(v.string()),
  reasoning: flag,
  vision: flag,
  mmproj: v.optional(v.string()),
});

/** A file of the form; `model_files` is repeated, and the file name of each is its path, the chosen folder included. */
const DocumentedForm = v.looseObject({ ...UploadForm.entries, model_files: v.array(v.string()) });

/** Of all fields together, with their names: nobody has a reason to send more, and they are kept in memory. */
const MAX_FIELDS_BYTES = 256 * 1024;

/** Takes the files of a model, as Lemonade's page sends them. */
export function localModelEndpoints({ router, hubCacheDir }: LocalModelOptions): Endpoint[] {
  const { catalog } = router;
  return [
    endpoint({
      method: "POST",
      paths: below("add-local-model"),
      scope: "manage",
      tag: "Models",
      summary: "Upload the files of a model and register it",
      form: DocumentedForm,
      answers: { 200: { description: "It is here and registered", schema: Success } },
      async handle({ request, connection, signal }: Call<undefined, undefined>) {
        const boundary = boundaryOf(request.headers.get("content-type"));
        await using upload = await beginUpload({ hubCacheDir, catalog, expectedBytes: Number(request.headers.get("content-length") ?? 0) });
        const fields: Record<string, string> = {};
        let leftBytes = MAX_FIELDS_BYTES;
        for await (const part of readMultipart(bodyOf(request), boundary)) {
          if (part.fileName === undefined) {
            const text = await textOf(part, leftBytes - part.name.length);
            leftBytes -= part.name.length + text.length;
            fields[part.name] = text;
          }
          // A file input that was left empty sends a part without a name.
          else if (part.name === "model_files" && part.fileName !== "") {
            // The page sends its fields first: what they say can be refused before the files come.
            if (fields["model_name"] !== undefined && fields["recipe"] !== undefined) await upload.check(uploadedModel(fields));
            await upload.addFile(part.fileName, part.content);
          }
        }
        connection.bodyIsRead();
        const { id } = await upload.finish(uploadedModel(fields), { signal });
        return json({ status: "success", message: `Model ${id} uploaded and registered successfully`, model_name: id });
      },
    }),
  ];
}

function bodyOf({ body }: Request): AsyncIterable<Uint8Array> {
  if (body === null) throw new RouterError("INVALID_REQUEST", "The form is empty");
  return body;
}

async function textOf({ name, content }: FormPart, maxBytes: number): Promise<string> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of content) {
    size += piece.length;
    if (size > maxBytes) throw new RouterError("INVALID_REQUEST", `The fields of the form are too long, up to ${name}`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

function uploadedModel(fields: Readonly<Record<string, string>>): UploadedModel {
  const parsed = v.safeParse(UploadForm, fields);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new RouterError("INVALID_REQUEST", `The field ${v.getDotPath(issue)}: ${issue.message}`);
  }
  const { model_name: model, recipe, checkpoint = "", reasoning, vision, mmproj } = parsed.output;
  const colon = checkpoint.indexOf(":");
  return {
    model,
    recipe,
    variant: colon === -1 ? undefined : checkpoint.slice(colon + 1),
    mmproj,
    reasoning: reasoning === "true",
    vision: vision === "true",
  };
}
