package login;

import java.time.Duration;
import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClient;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClientManager;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClientProviderBuilder;
import org.springframework.security.oauth2.client.annotation.RegisteredOAuth2AuthorizedClient;
import org.springframework.security.oauth2.client.registration.ClientRegistrationRepository;
import org.springframework.security.oauth2.client.web.DefaultOAuth2AuthorizedClientManager;
import org.springframework.security.oauth2.client.web.OAuth2AuthorizedClientRepository;
import org.springframework.security.oauth2.core.user.OAuth2User;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** Signs users in with Spring Boot's own configuration, and shows what it knows of them. */
@SpringBootApplication
@RestController
public class LoginApplication {
  public static void main(String[] args) {
    SpringApplication.run(LoginApplication.class, args);
  }

  @GetMapping("/")
  Map<String, Object> user(@AuthenticationPrincipal OAuth2User user) {
    return Map.of("kind", user.getClass().getSimpleName(), "name", user.getName(), "claims", user.getAttributes());
  }

  /** Shows an access token that was refreshed if there is a refresh token. */
  @GetMapping("/token")
  Map<String, Object> token(@RegisteredOAuth2AuthorizedClient("postern") OAuth2AuthorizedClient client) {
    return Map.of("token", client.getAccessToken().getTokenValue(), "scopes", client.getAccessToken().getScopes());
  }

  /** The manager of Spring's documentation. Every access token counts as expired because of the skew. */
  @Bean
  OAuth2AuthorizedClientManager clients(ClientRegistrationRepository registrations, OAuth2AuthorizedClientRepository clients) {
    DefaultOAuth2AuthorizedClientManager manager = new DefaultOAuth2AuthorizedClientManager(registrations, clients);
    manager.setAuthorizedClientProvider(OAuth2AuthorizedClientProviderBuilder.builder()
        .authorizationCode()
        .refreshToken((refresh) -> refresh.clockSkew(Duration.ofHours(1)))
        .build());
    return manager;
  }
}
