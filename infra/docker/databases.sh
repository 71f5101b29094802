#!/usr/bin/env bash
# Run by PostgreSQL's image when it makes its data folder: a role and a database for each service that keeps rows, which
# nobody else may connect to. A service that is added later: run it again by hand; what is there already stays.
set -euo pipefail

for file in /secrets/*.password; do
  name=$(basename "$file" .password)
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set name="$name" --set password="$(<"$file")" \
    --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', :'name', :'password')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'name')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'name') \gexec
SQL
done
