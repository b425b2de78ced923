import { EXIT } from "../exit-codes.ts";
import { openServer } from "../open-server.ts";

/** Deletes the files of models and their registrations. */
export async function deleteModels(models: readonly string[], { unload }: { unload?: boolean | undefined }): Promise<number> {
  await using server = await openServer();
  for (const model of models) console.log(await server.client.deleteModel(model, { unload }));
  return EXIT.success;
}
