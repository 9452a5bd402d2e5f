import pika

def get_connection():
    """Cria conexão com RabbitMQ no localhost"""
    return pika.BlockingConnection(
        pika.ConnectionParameters(host='localhost')
    )

def get_channel(connection):
    """Obtém canal da conexão"""
    return connection.channel()
