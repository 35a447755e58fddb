# SPDX-License-Identifier: Apache-2.0
# Shows the machine that this shell talks to in the prompt of bash. To be sourced by ~/.bashrc, and then:
#
#     PS1='[\u@\h \W$(__docker_machine_ps1 " [%s]")]\$ '
#
# DOCKER_MACHINE_PS1_SHOWSTATUS=true adds the machine's state (R runs, S stopped, R->S and S->R on the way, E error); each prompt
# then asks for it, which takes a moment.

__docker_machine_ps1() {
	local format=${1:- [%s]} status=''

	[[ -n ${DOCKER_MACHINE_NAME-} ]] || return 0
	if [[ ${DOCKER_MACHINE_PS1_SHOWSTATUS-false} == true ]]; then
		case $(command docker-machine status "$DOCKER_MACHINE_NAME" 2>/dev/null) in
		Running) status=' R' ;;
		Stopping) status=' R->S' ;;
		Starting) status=' S->R' ;;
		Error | Timeout) status=' E' ;;
		*) status=' S' ;;
		esac
	fi
	# The format is the user's own.
	# shellcheck disable=SC2059
	printf -- "$format" "$DOCKER_MACHINE_NAME$status"
}
