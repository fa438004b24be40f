#!/bin/sh
# deploy.sh NEW PROGRAM
#
# Puts the file NEW in the place of PROGRAM, a server that runs, and restarts it. If
# the new release does not serve, the old one serves on, its file comes back, and
# the exit code is that of restartctl. RESTARTCTL_SOCKET names the control socket.
set -eu

new=$1 program=$2

# Beside it first: a program that runs cannot be overwritten.
cp -p "$program" "$program.old"
cp "$new" "$program.new"
chmod 755 "$program.new"
mv -f "$program.new" "$program"

restartctl restart --timeout 60s --cancel-on-interrupt && exit 0 || code=$?

if [ "$code" = 5 ]; then
	echo "deploy: it is not known which release serves: run restartctl status" >&2
	exit "$code"
fi
mv -f "$program.old" "$program"
echo "deploy: the file of the old release is back" >&2
exit "$code"
