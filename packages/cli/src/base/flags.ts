import { Args, Flags } from '@oclif/core';

export const archiveArgument = {
  archive: Args.string({
    description: 'Name of the archive; the newest complete one unless given.',
    // What a script or a loop reads on standard input is none of ours.
    ignoreStdin: true,
  }),
};

/** Which inventory. Flags mean the same in every command that has them. */
export const inventoryFlags = {
  'build-dir': Flags.string({
    char: 'b',
    summary: 'Build directory with an Ansible inventory in it, or an inventory file.',
    helpValue: 'DIR',
  }),
  inventory: Flags.string({
    char: 'i',
    summary:
      "The inventory itself, as Ansible's -i: a file, a script, or a directory of several; may be given several times.",
    helpValue: 'PATH',
    multiple: true,
    multipleNonGreedy: true,
  }),
};

/** Passwords that reading the inventory or logging in needs. */
export const secretFlags = {
  'vault-password-file': Flags.string({
    summary: 'File with the password of ansible-vault, or a program that prints it.',
    helpValue: 'FILE',
    multiple: true,
    multipleNonGreedy: true,
  }),
  'vault-id': Flags.string({
    summary: 'The same with a label, or `prompt` to be asked.',
    helpValue: '[LABEL@]FILE',
    multiple: true,
    multipleNonGreedy: true,
  }),
  'ask-vault-pass': Flags.boolean({ summary: 'Ask for the password of ansible-vault.' }),
  'ask-pass': Flags.boolean({
    char: 'k',
    summary: 'Ask for the password to log in, for hosts of which the inventory has none.',
    exclusive: ['connection-password-file'],
  }),
  'connection-password-file': Flags.string({
    aliases: ['conn-pass-file'],
    summary: 'File with that password, or a program that prints it.',
    helpValue: 'FILE',
  }),
  'ask-become-pass': Flags.boolean({
    char: 'K',
    summary: 'Ask for the password to become root, for hosts of which the inventory has none.',
    exclusive: ['become-password-file'],
  }),
  'become-password-file': Flags.string({
    aliases: ['become-pass-file'],
    summary: 'File with that password, or a program that prints it.',
    helpValue: 'FILE',
  }),
};

export const targetFlag = {
  target: Flags.string({
    char: 't',
    summary: 'Where the archives are: an existing directory.',
    helpValue: 'TARGET',
  }),
};

export const configFlags = {
  config: Flags.string({
    char: 'c',
    summary: 'Configuration file (lsbackup.yml); flags win over it.',
    helpValue: 'FILE',
  }),
};

export const documentFlag = {
  file: Flags.string({
    char: 'f',
    summary:
      "LambdaStack's backup.yml (kind: configuration/backup): which components to save; weaker than all other flags and -c.",
    helpValue: 'FILE',
  }),
};

export const limitFlag = {
  limit: Flags.string({
    summary: "Only these hosts; as Ansible's --limit: names, groups, web*, web[0:2], ~regex, a:b, a:!b, a:&b, @FILE.",
    helpValue: 'PATTERN',
    multiple: true,
    multipleNonGreedy: true,
  }),
};

export const selectionFlags = {
  ...limitFlag,
  only: Flags.string({
    summary: 'Only these components, areas or groups, each with an optional @host.',
    helpValue: 'NAME',
    multiple: true,
    multipleNonGreedy: true,
    delimiter: ',',
  }),
  skip: Flags.string({
    summary: 'Not these components, areas or groups, each with an optional @host.',
    helpValue: 'NAME',
    multiple: true,
    multipleNonGreedy: true,
    delimiter: ',',
  }),
  set: Flags.string({
    summary: 'An option of a component; may be given several times.',
    helpValue: 'COMPONENT.OPTION=VALUE',
    multiple: true,
    multipleNonGreedy: true,
  }),
  name: Flags.string({ summary: 'Name of the cluster in the archive and in its file name.', helpValue: 'NAME' }),
};

export const outputFlags = {
  json: Flags.boolean({ summary: 'Machine-readable output on standard output.' }),
  'log-level': Flags.option({
    summary:
      'Log of backup, plan and doctor on standard error; with debug or trace, any command prints the stack of its error.',
    options: ['silent', 'error', 'warn', 'info', 'debug', 'trace'] as const,
    default: 'silent',
  })(),
};
