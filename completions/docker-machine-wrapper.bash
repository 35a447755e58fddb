# SPDX-License-Identifier: Apache-2.0
# Adds `use` to boot2docker and docker-machine, which sets the variables of this shell: `docker-machine use NAME` instead of
# eval "$(docker-machine env NAME)". To be sourced by ~/.bashrc.
#
# DOCKER_MACHINE_WRAPPED=false, set before, leaves the commands as they are.

: "${DOCKER_MACHINE_WRAPPED:=true}"

__boot2docker_use() {
	local program=$1 text
	shift
	case ${1-} in
	-h | --help | '')
		cat <<-EOF
			Usage: $program use [OPTIONS] [arg...]

			Evaluate the commands to set up the environment for the Docker client

			Description:
			   Argument is a machine name.

			Options:

			   --swarm       Display the Swarm config instead of the Docker daemon
			   --unset, -u   Unset variables instead of setting them
			   --no-proxy    Add the machine's IP to the NO_PROXY variable

		EOF
		;;
	*)
		# What env prints is only run when env had no error to tell.
		text=$(command "$program" env --shell bash "$@") || return
		eval "$text"
		if [[ -n ${DOCKER_MACHINE_NAME-} ]]; then
			echo "Active machine: $DOCKER_MACHINE_NAME"
		else
			echo "No active machine"
		fi
		;;
	esac
}

__boot2docker_wrapper() {
	local program=$1
	shift
	if [[ ${1-} == use ]]; then
		shift
		__boot2docker_use "$program" "$@"
	else
		command "$program" "$@"
	fi
}

if [[ $DOCKER_MACHINE_WRAPPED == true ]]; then
	docker-machine() { __boot2docker_wrapper docker-machine "$@"; }
	boot2docker() { __boot2docker_wrapper boot2docker "$@"; }
fi
