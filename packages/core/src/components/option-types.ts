import { z } from 'zod';

/** An option that is a whole number in a range; also as text, as `--set` and some inventories give it. */
export function wholeNumber({ minimum, maximum }: { readonly minimum: number; readonly maximum: number }) {
  return z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)]).pipe(z.int().min(minimum).max(maximum));
}

/** An option that is yes or no; also as the words Ansible takes for them. */
export const yesOrNo = z.union([
  z.boolean(),
  z
    .string()
    .toLowerCase()
    .refine((word) => ['true', 'yes', 'on', '1', 'false', 'no', 'off', '0'].includes(word), 'must be true or false')
    .transform((word) => ['true', 'yes', 'on', '1'].includes(word)),
]);

/** An option that is one text or several. */
export const textList = z.union([z.string().min(1).transform((text) => [text]), z.array(z.string().min(1))]);
