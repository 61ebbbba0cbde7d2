#!/usr/bin/env bash
# Run by the container secrets at each start, before every other one: makes the passwords of this system unless they
# are there, and gives each container a folder of /secrets with what it needs, readable for that container's group
# alone. The groups are numbered in the order of readers; docker-compose.yml has the same numbers.
set -euo pipefail
umask 027
cd /secrets

services=(order inventory payment shipping notification)
readers=(order inventory payment shipping order-db inventory-db payment-db shipping-db
	nats provisioner translator registry gateway ambassador console sagactl host notification notification-db)
first_group=65601

# secret makes a password once and prints it. A letter comes first: the broker's configuration would read some
# passwords as numbers.
mkdir -p made && chmod 700 made
secret() {
	if [[ ! -s made/$1 ]]; then
		printf 's%s' "$(head -c 24 /dev/urandom | od -An -vtx1 | tr -d ' \n')" >"made/$1.new"
		mv "made/$1.new" "made/$1"
	fi
	cat "made/$1"
}

# give READER NAME TEXT; renamed, so that a reader at this moment sees all of it.
give() { printf '%s\n' "$3" >"$1/$2.new" && chgrp "$(stat -c %g "$1")" "$1/$2.new" && mv "$1/$2.new" "$1/$2"; }

group=$first_group
for reader in "${readers[@]}"; do
	mkdir -p "$reader" && chgrp $((group++)) "$reader"
done

admin_token=$(secret admin_token)
audit=$(secret audit)
nats() { echo "nats://$1:$(secret "nats_$1")@broker:4222"; }

for name in "${services[@]}"; do
	give "$name" database_url "postgres://$name:$(secret "$name")@db:5432/$name"
	give "$name" migrations_url "postgres://${name}_owner:$(secret "${name}_owner")@db:5432/$name"
	give "$name-db" superuser "$(secret "${name}_superuser")"
	give "$name-db" service "$(secret "$name")"
	give "$name-db" owner "$(secret "${name}_owner")"
	give "$name-db" audit "$audit"
done
for name in "${services[@]}" provisioner translator registry; do
	give "$name" nats_url "$(nats "$name")"
done
for name in "${services[@]}" gateway ambassador; do
	give "$name" admin_token "$admin_token"
done
give nats environment "$(for name in "${services[@]}" provisioner observer console translator registry; do
	echo "NATS_${name^^}_PASSWORD=$(secret "nats_$name")"
done)"

# The description of the system, for the console, for sagactl in a container, and for sagactl on the host.
members() { # members FORMAT NAME…: a JSON object; the format gets name, and prints an address
	local format=$1 name comma=''
	shift
	for name; do printf '%s"%s": "%s"' "$comma" "$name" "$($format "$name")" && comma=', '; done
}
inside() { case $1 in gateway) echo bank;; ambassador) echo bank-door;; mail) echo post;; registry) echo schemas;; *) echo "$1-api";; esac; }
inside_url() { echo "http://$(inside "$1"):8080"; }
inside_admin() { echo "http://$(inside "$1"):8081"; }
inside_database() { echo "postgres://audit:$audit@$1-books:5432/$1"; }
port() { local name=${1^^}; printenv "${name//-/_}_PORT"; }
host_url() { echo "http://127.0.0.1:$(port "$1")"; }
host_admin() { echo "http://127.0.0.1:$(port "$1-admin")"; }
host_database() { echo "postgres://audit:$audit@127.0.0.1:$(port "$1-db")/$1"; }
describe() { # describe inside|host NATS NAME…: with these besides the services, the gateway and the ambassador
	local where=$1 nats=$2
	shift 2
	printf '{"urls": {%s}, "admin": {%s}, "admin_token": "%s", "nats": "%s", "databases": {%s}}' \
		"$(members "${where}_url" "${services[@]}" gateway ambassador "$@")" \
		"$(members "${where}_admin" "${services[@]}" gateway ambassador)" \
		"$admin_token" "$nats" "$(members "${where}_database" "${services[@]}")"
}
give console run.json "$(describe inside "$(nats console)")"
give sagactl run.json "$(describe inside "$(nats observer)" mail registry)"
give host run.json "$(describe host "nats://observer:$(secret nats_observer)@127.0.0.1:$NATS_PORT" mail registry console)"
