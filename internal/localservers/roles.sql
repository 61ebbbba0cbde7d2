-- What a service's database looks like from the outside. To be run inside that database, by a superuser;
-- running it again changes nothing but the passwords. psql variables:
--
--   service           its login, with the least it needs: it reads and writes rows, and owns nothing
--   service_password
--   owner_password    of <service>_owner, who owns the tables and runs the migrations, and does nothing else
--   audit_password    of audit, the one login that may read, and only read, in every service's database
--
--   psql -d order -v service=order -v service_password=… -v owner_password=… -v audit_password=… -f roles.sql

BEGIN;

-- Roles belong to the whole server: whoever prepares another database at this moment waits here.
LOCK TABLE pg_catalog.pg_authid IN SHARE ROW EXCLUSIVE MODE;

-- psql does not replace variables inside a DO block, settings reach there.
SELECT set_config('roles.service', :'service', true),
       set_config('roles.service_password', :'service_password', true),
       set_config('roles.owner_password', :'owner_password', true),
       set_config('roles.audit_password', :'audit_password', true);

DO $$
DECLARE
	service  CONSTANT text := current_setting('roles.service');
	owner    CONSTANT text := service || '_owner';
	login    record;
BEGIN
	FOR login IN SELECT * FROM (VALUES
		(service, current_setting('roles.service_password')),
		(owner,   current_setting('roles.owner_password')),
		('audit', current_setting('roles.audit_password'))) AS logins (name, password)
	LOOP
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = login.name) THEN
			EXECUTE format('CREATE ROLE %I', login.name);
		END IF;
		EXECUTE format('ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD %L',
			login.name, login.password);
	END LOOP;

	-- A statement that waits longer than this will not get better, and a transaction that nobody goes on
	-- with would hold its locks for ever.
	EXECUTE format('ALTER ROLE %I SET statement_timeout = ''5s''', service);
	EXECUTE format('ALTER ROLE %I SET lock_timeout = ''2s''', service);
	EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = ''10s''', service);
	-- Services send these with each connection, too, but a pooler would not let them through: every statement looks its
	-- rows up by their keys, whenever its plan was made.
	EXECUTE format('ALTER ROLE %I SET enable_seqscan = off', service);
	EXECUTE format('ALTER ROLE %I SET enable_hashjoin = off', service);
	EXECUTE format('ALTER ROLE %I SET enable_mergejoin = off', service);
	EXECUTE format('ALTER ROLE %I SET jit = off', service);
	ALTER ROLE audit SET default_transaction_read_only = on;
	ALTER ROLE audit SET statement_timeout = '30s';

	-- PostgreSQL lets everybody connect to every database unless told otherwise.
	REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC;
	EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
	EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I, %I, audit', current_database(), owner, service);

	REVOKE ALL ON SCHEMA public FROM PUBLIC;
	EXECUTE format('GRANT USAGE, CREATE ON SCHEMA public TO %I', owner);
	EXECUTE format('GRANT USAGE ON SCHEMA public TO %I, audit', service);

	-- What the migrations will make is the service's to use. A migration takes back what it must not do,
	-- such as changing the rows of a ledger.
	EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA public '
		'GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO %I', owner, service);
	EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO %I', owner, service);
	EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA public GRANT SELECT ON TABLES TO audit', owner);
END $$;

COMMIT;
