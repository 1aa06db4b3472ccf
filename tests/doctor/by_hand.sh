# Where things are on the host that was set up by hand.
HOST=example.com
project=/home/huatai/works/mysite
ini=$project/uwsgi.ini
conf=/etc/nginx/conf.d/mysite.conf
healthy() { answers /; }
restart() { systemctl restart mysite; sleep 0.5; }
