#!/bin/sh
echo '{"_meta": {"hostvars": {"web1": {"a": "cloud"}, "web2": {}}}, "web": {"hosts": ["web1", "web2"]}}'
