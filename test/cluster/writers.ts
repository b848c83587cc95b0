import { shellOnHost } from '../support/cluster-host.js';

/** Writers that keep PostgreSQL and RabbitMQ busy while a backup runs; rows in several tables of one database, in one transaction each. */
export async function startWriters(): Promise<{ stop(): Promise<void> }> {
  await shellOnHost(
    'db1',
    `su postgres -c "psql -Xq -d app -c 'CREATE TABLE IF NOT EXISTS public.written_live (id bigserial PRIMARY KEY, at timestamptz DEFAULT now()); INSERT INTO public.written_live DEFAULT VALUES'"`,
  );
  const state = { stopped: false };
  let rounds = 0;
  const writing = (async () => {
    while (!state.stopped) {
      await shellOnHost(
        'db1',
        `su postgres -c "psql -Xq -d app -c 'INSERT INTO public.written_live SELECT FROM generate_series(1, 50)'"`,
      );
      rounds += 1;
    }
  })();
  return {
    stop: async () => {
      state.stopped = true;
      await writing;
      if (rounds === 0) throw new Error('the writer wrote nothing while the backup ran');
      await shellOnHost('db1', `su postgres -c "psql -Xq -d app -c 'DROP TABLE public.written_live'"`);
    },
  };
}
