// amqplib's tests know one address, port 5672 of this machine: a connection to it goes to AMQP_URL instead. For `node --require`.

const net = require('node:net');

const broker = new URL(process.env.AMQP_URL);
const connect = net.connect;

net.connect = (options, ...rest) => {
  if (Number(options.port) !== 5672) return connect(options, ...rest);
  return connect({ ...options, host: broker.hostname, port: Number(broker.port) }, ...rest);
};
