import { z } from 'zod';

/** An option that is a whole number in a range; also as text, as `--set` and some inventories give it. */
export function wholeNumber({ minimum, maximum }: { readonly minimum: number; readonly maximum: number }) {
  const whole = z.int().min(minimum).max(maximum);
  const text = z.string().regex(/^\d+$/, 'must be a whole number');
  return z.union([
    whole,
    text
      .transform(Number)
      .refine((value) => value >= minimum && value <= maximum, `must be from ${minimum} to ${maximum}`),
  ]);
}

/** An option that is one text or several. */
export const textList = z.union([
  z
    .string()
    .min(1)
    .transform((text) => [text]),
  z.array(z.string().min(1)),
]);
