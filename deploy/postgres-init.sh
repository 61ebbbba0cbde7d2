#!/usr/bin/env bash
# Run once by the postgres image, when the server's volume is empty: gives the service's database
# its logins, by the same script that the embedded system uses.
set -euo pipefail

secrets=${POSTGRES_PASSWORD_FILE%/*}
service=$(cat "$secrets/service") owner=$(cat "$secrets/owner") audit=$(cat "$secrets/audit")
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
	--set=service="$POSTGRES_DB" --set=service_password="$service" \
	--set=owner_password="$owner" --set=audit_password="$audit" \
	--file=/roles.sql >/dev/null
