import { z } from 'zod';
import { controllerSchema, thisController } from '../controller/controller.js';

/** Who made an unfinished upload, so that a later run can tell whether that process still lives. */
const ownerSchema = controllerSchema.extend({ token: z.string(), runId: z.string() });
export type Owner = z.infer<typeof ownerSchema>;

/** This process as the owner of the upload that `token` names. */
export async function thisOwner(token: string, runId: string): Promise<Owner> {
  return { token, runId, ...(await thisController()) };
}

/** The owner in the text of a claim; undefined when it is none of ours. */
export function parseOwner(text: string): Owner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
