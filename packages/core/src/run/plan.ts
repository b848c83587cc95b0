import type { Plan, PlanOptions } from './api.js';
import { connectAll, createRunId, createSession, makePlan } from './session.js';

/**
 * Looks at every selected host, read-only, and returns what a backup would save from where.
 * Errors: as `backup` before anything is saved (usage, configuration, NO_HOST_REACHED, ABORTED).
 */
export async function plan(options: PlanOptions): Promise<Plan> {
  const session = await createSession(options, createRunId(new Date()));
  try {
    const hosts = await connectAll(session, options);
    return (await makePlan(session, options, hosts)).plan;
  } finally {
    await session.pool[Symbol.asyncDispose]();
  }
}
