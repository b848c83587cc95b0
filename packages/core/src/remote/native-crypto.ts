import { createRequire } from 'node:module';

/**
 * Whether ssh2 has its native module, which npm builds when it installs ssh2 and which does without where it cannot: everything works, with
 * less speed. Source: `bindingAvailable` in ssh2 1.17, lib/protocol/crypto.js.
 */
export function hasNativeCrypto(): boolean {
  const crypto: unknown = createRequire(import.meta.url)('ssh2/lib/protocol/crypto.js');
  return (
    typeof crypto === 'object' && crypto !== null && 'bindingAvailable' in crypto && crypto.bindingAvailable === true
  );
}
