# Puts RabbitMQ back to the definitions in definitions.json. The management plugin stays off, as on a LambdaStack host.
cd "$(dirname "$0")"

if [ ! -e /etc/rabbitmq/rabbitmq.conf ]; then
  printf '%s\n' '# Settings made by hand on this host' 'heartbeat = 30' 'vm_memory_high_watermark.relative = 0.3' > /etc/rabbitmq/rabbitmq.conf
  chown root:rabbitmq /etc/rabbitmq/rabbitmq.conf
  chmod 640 /etc/rabbitmq/rabbitmq.conf
  systemctl restart rabbitmq-server
fi
rabbitmqctl --quiet await_startup

# An import only adds, so what is there goes first. Names may be anything, and as root rabbitmqctl gives its arguments to a shell: so none are passed.
rabbitmqctl --quiet eval '
  [rabbit_vhost:delete(Name, atom_to_binary(seed, utf8)) || Name <- rabbit_vhost:list_names()],
  [rabbit_auth_backend_internal:delete_user(element(2, User), atom_to_binary(seed, utf8)) || User <- rabbit_auth_backend_internal:all_users()],
  [rabbit_runtime_parameters:clear_global(Name, atom_to_binary(seed, utf8))
    || [{name, Name} | _] <- rabbit_runtime_parameters:list_global(), Name =/= internal_cluster_id].' > /dev/null

# rabbitmqctl reads the file as its own user, who cannot look into root's home.
install -o rabbitmq -m 600 definitions.json /var/lib/rabbitmq/seed.json
rabbitmqctl --quiet import_definitions /var/lib/rabbitmq/seed.json
rm /var/lib/rabbitmq/seed.json
