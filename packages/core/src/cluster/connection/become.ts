import type { Become } from '../cluster.js';
import type { Secret } from '../../model/secret.js';
import type { HostSettings } from './host-settings.js';

const methods: ReadonlyMap<string, Become['method']> = new Map(
  (['sudo', 'su'] as const).flatMap((method) =>
    [method, `ansible.builtin.${method}`].map((name) => [name, method] as const),
  ),
);

/** Variables that change how root is reached and are not followed. */
const unusedNames: Readonly<Record<Become['method'], readonly string[]>> = {
  sudo: ['ansible_become_exe', 'ansible_sudo_exe', 'ansible_become_flags', 'ansible_sudo_flags'],
  su: ['ansible_become_exe', 'ansible_su_exe', 'ansible_become_flags', 'ansible_su_flags'],
};

/**
 * How to become root, by sudo unless the inventory names another way; undefined where it forbids it. A password of the inventory goes
 * before the one that the user was asked for, as with Ansible. Throws INVENTORY_UNSUPPORTED for another way than sudo and su, and for
 * another user than root.
 */
export function becomeOf(settings: HostSettings, askedPassword: Secret | undefined): Become | undefined {
  if (settings.yesOrNo('become') === false) return undefined;
  const method = becomeMethod(settings);
  const userSetting = method === 'su' ? 'suUser' : 'sudoUser';
  const user = settings.text(userSetting);
  if (user !== undefined && user !== 'root') {
    throw settings.refusal(
      userSetting,
      `to become ${settings.shown(userSetting)} is not supported`,
      'Only root is supported.',
    );
  }
  return { method, password: settings.secret(method === 'su' ? 'suPassword' : 'sudoPassword') ?? askedPassword };
}

function becomeMethod(settings: HostSettings): Become['method'] {
  const name = settings.text('becomeMethod') ?? 'sudo';
  const method = methods.get(name);
  if (method !== undefined) return method;
  throw settings.refusal(
    'becomeMethod',
    `ansible_become_method=${settings.shown('becomeMethod')} is not supported`,
    'Only sudo and su are supported.',
  );
}

/** The variables about becoming root that the host has and that are not followed. */
export function ignoredBecomeVariables(settings: HostSettings, become: Become | undefined): readonly string[] {
  return become === undefined ? [] : settings.present(unusedNames[become.method]);
}
