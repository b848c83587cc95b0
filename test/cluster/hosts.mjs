// The hosts of docker-compose.test.yml: what is seeded on each, which is also the folder's name in seed/.
export const hosts = {
  lb1: ['haproxy'],
  lb2: ['haproxy'],
  db1: ['postgresql'],
  mq1: ['rabbitmq'],
  mon1: ['prometheus'],
  mon2: ['prometheus'],
  lb8: ['empty'],
  lb9: ['empty'],
  db9: ['empty'],
  mq9: ['empty'],
};
