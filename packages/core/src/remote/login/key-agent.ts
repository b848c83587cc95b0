import type ssh2 from 'ssh2';
import type { BaseAgent, ParsedKey, SignCallback, SigningRequestOptions } from 'ssh2';

/** One key, as ssh2 asks an agent for it. */
export interface AgentAnswers {
  readonly publicKey: () => Promise<ParsedKey>;
  readonly sign: (data: Buffer, hash: string | undefined) => Promise<Buffer>;
}

/**
 * An agent with one key. ssh2 signs with a key of its own at once, but waits for an agent: so the server is asked whether it takes a key
 * before anybody is asked for the passphrase, as ssh does it.
 */
export function keyAgent(
  { BaseAgent }: Pick<typeof ssh2, 'BaseAgent'>,
  { publicKey, sign }: AgentAnswers,
): BaseAgent<ParsedKey> {
  class KeyAgent extends BaseAgent<ParsedKey> {
    override getIdentities(callback: (error?: Error, keys?: ParsedKey[]) => void): void {
      publicKey().then(
        (key) => callback(undefined, [key]),
        (error: unknown) => callback(asError(error)),
      );
    }

    override sign(...[, data, options, callback]: SignArguments): void {
      const { hash } = typeof options === 'function' ? { hash: undefined } : options;
      const done = typeof options === 'function' ? options : callback;
      sign(data, hash).then(
        (signature) => done?.(undefined, signature),
        (error: unknown) => done?.(asError(error)),
      );
    }
  }
  return new KeyAgent();
}

/** ssh2 gives all four; its type has the options left out as well. */
type SignArguments = [key: ParsedKey, data: Buffer, options: SigningRequestOptions | SignCallback, done?: SignCallback];

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
