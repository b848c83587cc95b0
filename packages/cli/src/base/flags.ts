import { Args, Flags } from '@oclif/core';

export const archiveArgument = {
  archive: Args.string({
    description: 'Name of the archive; the newest complete one unless given.',
    // What a script or a loop reads on standard input is none of ours.
    ignoreStdin: true,
  }),
};

/** Flags mean the same in every command that has them. */
export const buildDirFlag = {
  'build-dir': Flags.string({
    char: 'b',
    summary: 'Build directory with an Ansible inventory in it, or an inventory file.',
    helpValue: 'DIR',
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

export const selectionFlags = {
  limit: Flags.string({
    summary: 'Only these hosts: names, groups or * patterns.',
    helpValue: 'HOST',
    multiple: true,
    multipleNonGreedy: true,
    delimiter: ',',
  }),
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
      'Log of backup and plan on standard error; with debug or trace, any command prints the stack of its error.',
    options: ['silent', 'error', 'warn', 'info', 'debug', 'trace'] as const,
    default: 'silent',
  })(),
};
