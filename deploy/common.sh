# What up and down agree on; sourced by both. A test sets these to run beside another system.
cd "$(dirname "${BASH_SOURCE[0]}")/.."

env_file=${ENV_FILE:-deploy/.env}                    # secrets and ports
run_file=${RUN_FILE:-.ordersaga/run.json}            # where sagactl finds the system
export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-ordersaga}

compose() { docker compose --file deploy/docker-compose.yml --env-file "$env_file" "$@"; }

docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1 || {
	echo "This needs Docker with the compose plugin, and its engine running; without Docker there is: make demo" >&2
	exit 1
}
