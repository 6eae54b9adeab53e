package api;

import java.util.List;
import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.security.core.Authentication;
import org.springframework.security.core.GrantedAuthority;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** A resource server. Without a profile it has Spring Boot's own configuration. */
@SpringBootApplication
@RestController
public class ApiApplication {
  public static void main(String[] args) {
    SpringApplication.run(ApiApplication.class, args);
  }

  @GetMapping("/orders")
  Map<String, Object> orders(Authentication caller) {
    List<String> authorities = caller.getAuthorities().stream().map(GrantedAuthority::getAuthority).toList();
    return Map.of("name", caller.getName(), "authorities", authorities);
  }
}
