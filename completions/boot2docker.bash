# SPDX-License-Identifier: Apache-2.0
# Completion of boot2docker and docker-machine in bash. The program itself knows what may follow.

_boot2docker() {
	local partial=${COMP_WORDS[COMP_CWORD]} line
	COMPREPLY=()
	while IFS= read -r line; do
		COMPREPLY+=("${line%%$'\t'*}")
	done < <(command "${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD-1}" "$partial" 2>/dev/null)
	# A candidate such as "name=" or "machine:" is not finished.
	[[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *[=:] ]] || compopt -o nospace 2>/dev/null
	return 0
}

complete -o default -F _boot2docker boot2docker docker-machine
