# SPDX-License-Identifier: Apache-2.0
# Completion of boot2docker and docker-machine in fish. The program itself knows what may follow; when it says nothing, fish offers
# file names.

function __boot2docker_complete
	set -l words (commandline -opc) (commandline -ct)
	command $words[1] __complete $words[2..-1] 2>/dev/null
end

complete -c boot2docker -a '(__boot2docker_complete)'
complete -c docker-machine -a '(__boot2docker_complete)'
