#!/usr/bin/env bash
# Run once by the postgres image, when the server's volume is empty: gives the service's database
# its logins, by the same script that the embedded system uses.
set -euo pipefail

psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
	--set=service="$POSTGRES_DB" --set=service_password="$SERVICE_PASSWORD" \
	--set=owner_password="$OWNER_PASSWORD" --set=audit_password="$AUDIT_PASSWORD" \
	--file=/roles.sql >/dev/null
