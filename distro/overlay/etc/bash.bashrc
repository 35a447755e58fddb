# Read by every interactive shell that is no login shell (sudo -s).
[ "$(id -u)" = 0 ] && PS1='root@\h:\w# ' || PS1='\u@\h:\w$ '
alias ll='ls -la'
