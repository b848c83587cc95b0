# Puts RabbitMQ back to the definitions in definitions.json. The management plugin stays off, as on a LambdaStack host.
cd "$(dirname "$0")"

if [ ! -e /etc/rabbitmq/rabbitmq.conf ]; then
  printf '%s\n' '# Settings made by hand on this host' 'heartbeat = 30' 'vm_memory_high_watermark.relative = 0.3' > /etc/rabbitmq/rabbitmq.conf
  chown root:rabbitmq /etc/rabbitmq/rabbitmq.conf
  chmod 640 /etc/rabbitmq/rabbitmq.conf
  systemctl restart rabbitmq-server
fi
rabbitmqctl --quiet await_startup

# An import only adds, so what is there goes first. (An empty list is printed as one empty line.)
names() { rabbitmqctl --silent "$1" | cut -f 1 | sed '/^$/d'; }
names list_vhosts | while IFS= read -r name; do rabbitmqctl --quiet delete_vhost "$name" < /dev/null; done
names list_users | while IFS= read -r name; do rabbitmqctl --quiet delete_user "$name" < /dev/null; done

# rabbitmqctl reads the file as its own user, who cannot look into root's home.
install -o rabbitmq -m 600 definitions.json /var/lib/rabbitmq/seed.json
rabbitmqctl --quiet import_definitions /var/lib/rabbitmq/seed.json
rm /var/lib/rabbitmq/seed.json
