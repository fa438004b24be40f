job "hello" {
  type = "service"

  update {
    max_parallel     = 1
    min_healthy_time = "5s"
    health_check     = "checks"
  }

  group "hello" {
    count = 2

    network {
      port "http" { to = 8080 }
    }

    service {
      name     = "hello"
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/readyz"
        interval = "2s"
        timeout  = "1s"
      }
    }

    task "hello" {
      driver = "docker"

      # 15 s LameDuck + 60 s HammerTime + 15 s for hooks and for what is late.
      # max_kill_timeout of the client, 30 s unless set, must allow it.
      kill_timeout = "90s"
      kill_signal  = "SIGTERM"

      config {
        image   = "registry.example.com/hello:1"
        command = "/hello" # PID 1 of its container: it keeps that PID by itself
        args    = ["-addr", ":8080", "-config", "/local/config.json", "-lame-duck", "15s", "-hammer", "60s"]
        ports   = ["http"]
      }

      # A new configuration is put into service by a restart in place.
      template {
        destination   = "local/config.json"
        data          = "{\"greeting\": \"hello\"}"
        change_mode   = "signal"
        change_signal = "SIGHUP"
      }

      resources {
        cpu    = 100
        memory = 128 # for two generations: while one drains, the next one serves
      }
    }
  }
}
